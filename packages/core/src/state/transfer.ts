// Everything a principal keeps, as lines of JSON, out and in again. A line is written under an identity made from its file and number,
// so that reading the same file twice, or after a crash, adds nothing. Not one moment of all sessions: each says whether it was whole.
import { createHash } from "node:crypto";
import * as z from "zod";
import { epochSeconds } from "../clock.ts";
import { AppError } from "../errors.ts";
import { findJsonFault, parseJson } from "../json.ts";
import type { Principal } from "../principal.ts";
import { checkJson } from "../schema-check.ts";
import { cutText } from "../text.ts";
import type { Caller } from "./caller.ts";
import type { SessionParts } from "./session-parts.ts";
import { acceptedSessionId, type Session } from "./sessions.ts";
import type { Json } from "./values.ts";

/** Begins every export. A reader refuses another. */
export const EXPORT_FORMAT = "stateful-mcp/1";
const PAGE_ENTRIES = 100;

const time = z.iso.datetime();
/** Ten years: no server is configured with more. */
const TTL_MAX_SECONDS = 315_360_000;
const written = { at: time, by: z.string(), client: z.string() };
const LINE = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("header"), format: z.literal(EXPORT_FORMAT), exported_at: time, principal: z.string() }),
  z.object({
    kind: z.literal("session"),
    session_id: z.string(),
    created_at: time,
    ttl_seconds: z.int().min(0).max(TTL_MAX_SECONDS),
  }),
  z.object({ kind: z.literal("note"), text: z.string(), ...written }),
  z.object({
    kind: z.literal("value"),
    key: z.string(),
    value: z.unknown(),
    version: z.int(),
    expires_at: time.optional(),
    ...written,
  }),
  z.object({ kind: z.literal("session_end"), complete: z.boolean() }),
]);
/** One line of an export. */
export type ExportLine = z.infer<typeof LINE>;

/** What an import has done, or with `dryRun` would do. `kept`: values that stand there with something else, and were left. */
export interface ImportCounts {
  sessions: number;
  notes: number;
  values: number;
  /** Notes and values that were there already. */
  present: number;
  kept: number;
  /** Values whose own time is over. */
  expired: number;
}

const isoTime = (ms: number): string => new Date(ms).toISOString();

/** Reads out what a principal keeps, session by session, in constant memory. */
export async function* exportLines(parts: SessionParts, caller: Caller): AsyncGenerator<ExportLine> {
  const { principal } = caller;
  if (principal.kind === "anonymous") throw new AppError("forbidden", "Anonymous callers have no memory of their own.");
  const owner = principal.id;
  const now = parts.clock.now();
  yield { kind: "header", format: EXPORT_FORMAT, exported_at: isoTime(now), principal: principal.subject };
  for (const { id } of await parts.sessions.list(owner)) {
    const session = await parts.sessions.find(owner, id);
    if (!session) continue;
    const { createdAtMs, ttlSeconds } = session;
    yield { kind: "session", session_id: id, created_at: isoTime(createdAtMs), ttl_seconds: ttlSeconds };
    yield* notesOf(parts, owner, session);
    yield* valuesOf(parts, owner, session);
    const after = await parts.sessions.find(owner, id);
    yield { kind: "session_end", complete: after?.generation === session.generation };
  }
}

async function* notesOf(parts: SessionParts, owner: string, session: Session): AsyncGenerator<ExportLine> {
  let cursor: string | undefined;
  do {
    const page = await parts.notes.page(owner, session, { limit: PAGE_ENTRIES, order: "oldest", cursor });
    for (const { text, createdAtMs, author, client } of page.notes)
      yield { kind: "note", text, at: isoTime(createdAtMs), by: author, client };
    cursor = page.nextCursor;
  } while (cursor);
}

async function* valuesOf(parts: SessionParts, owner: string, session: Session): AsyncGenerator<ExportLine> {
  let cursor: string | undefined;
  do {
    const page = await parts.values.list(owner, session, { prefix: "", limit: PAGE_ENTRIES, cursor });
    for (const { key, written, expiresAt } of page.values) {
      const stored = await parts.values.get(owner, session, key);
      if (!stored) continue;
      const own = expiresAt !== undefined && expiresAt !== session.hardEnd;
      const { atMs = session.createdAtMs, author = "", client = "" } = written ?? {};
      yield {
        kind: "value",
        key,
        value: stored.value,
        version: stored.version,
        ...(own && { expires_at: isoTime(expiresAt * 1000) }),
        at: isoTime(atMs),
        by: author,
        client,
      };
    }
    cursor = page.nextCursor;
  } while (cursor);
}

/** How an import is made. */
export interface ImportOptions {
  /** Stands for the whole file, the same each time it is read: for example a hash of it. */
  fileId: string;
  /** Only counts. Default false. */
  dryRun?: boolean;
}

/**
 * Puts an export back among what a principal keeps: notes after those that are there, values where there are none yet.
 * @throws AppError `invalid_input` that names the line, for what is no export; nothing of that line is written.
 */
export async function importLines(
  parts: SessionParts,
  caller: Caller,
  lines: AsyncIterable<string>,
  options: ImportOptions,
): Promise<ImportCounts> {
  const { principal } = caller;
  if (principal.kind === "anonymous") throw new AppError("forbidden", "Anonymous callers have no memory of their own.");
  const counts: ImportCounts = { sessions: 0, notes: 0, values: 0, present: 0, kept: 0, expired: 0 };
  const into = new Importer(parts, principal, options, counts);
  let number = 0;
  let begun = false;
  for await (const text of lines) {
    number += 1;
    if (text.trim() === "") continue;
    const line = parsed(text, number);
    if (!begun && line.kind !== "header") throw wrong(number, `it must be the header of a ${EXPORT_FORMAT} export`);
    begun = true;
    await into.take(line, number);
  }
  if (!begun) throw new AppError("invalid_input", "The file is empty: it is no export.");
  return counts;
}

const wrong = (number: number, why: string): AppError =>
  new AppError("invalid_input", `Line ${number} of the import: ${why}.`, { details: { line: number } });

function parsed(text: string, number: number): ExportLine {
  const value = parseJson(text, `Line ${number} of the import`);
  const fault = findJsonFault(value);
  if (fault) throw wrong(number, `${cutText(fault.path.join("."), 100)}: ${fault.why}`);
  const result = checkJson(LINE, value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw wrong(number, `${issue?.path.join(".") || "kind"}: ${issue?.message}`);
}

/** Where the import stands: in which session, and behind which of its notes. */
class Importer {
  readonly #parts: SessionParts;
  readonly #principal: Principal;
  readonly #options: ImportOptions;
  readonly #counts: ImportCounts;
  #session: Session | undefined;
  /** Position of the note that was put or found last: the next one stands behind it. */
  #tail = 0;
  /** How many notes stood in the session before. */
  #stood = 0;

  constructor(parts: SessionParts, principal: Principal, options: ImportOptions, counts: ImportCounts) {
    this.#parts = parts;
    this.#principal = principal;
    this.#options = options;
    this.#counts = counts;
  }

  async take(line: ExportLine, number: number): Promise<void> {
    if (line.kind === "session") return this.#begin(line);
    if (line.kind === "session_end") this.#session = undefined;
    if (line.kind !== "note" && line.kind !== "value") return;
    const session = this.#session;
    if (!session) throw wrong(number, `a ${line.kind} stands outside of a session`);
    if (line.kind === "note") await this.#note(line, session, number);
    else await this.#value(line, session);
  }

  async #begin(line: ExportLine & { kind: "session" }): Promise<void> {
    const owner = this.#principal.id;
    const id = acceptedSessionId(line.session_id);
    const found = await this.#parts.sessions.find(owner, id);
    this.#tail = 0;
    this.#stood = found ? await this.#parts.notes.added(owner, found) : 0;
    if (!found) this.#counts.sessions += 1;
    if (found || this.#options.dryRun) {
      this.#session = found ?? { ...NO_SESSION, id };
      return;
    }
    this.#session = (await this.#parts.sessions.create(owner, id, { ttlSeconds: line.ttl_seconds })).session;
  }

  async #note(line: ExportLine & { kind: "note" }, session: Session, number: number): Promise<void> {
    if (this.#options.dryRun) {
      this.#counts.notes += 1;
      return;
    }
    const id = this.#operationOf(number);
    const note = { text: line.text, subject: line.by, client: line.client, atMs: Date.parse(line.at) };
    this.#tail = await this.#parts.notes.restore(this.#principal.id, session, note, { id, fromTail: this.#tail });
    this.#counts[this.#tail > this.#stood ? "notes" : "present"] += 1;
  }

  async #value(line: ExportLine & { kind: "value" }, session: Session): Promise<void> {
    const owner = this.#principal.id;
    const ttlSeconds =
      line.expires_at === undefined
        ? undefined
        : Math.floor(Date.parse(line.expires_at) / 1000) - epochSeconds(this.#parts.clock);
    if (ttlSeconds !== undefined && ttlSeconds < 1) {
      this.#counts.expired += 1;
      return;
    }
    const stands =
      this.#options.dryRun && session.generation === ""
        ? undefined
        : await this.#parts.values.get(owner, session, line.key);
    if (stands) {
      const same = JSON.stringify(stands.value) === JSON.stringify(line.value);
      this.#counts[same ? "present" : "kept"] += 1;
      return;
    }
    if (!this.#options.dryRun) {
      await this.#parts.values.set(owner, session, line.key, line.value as Json, {
        ifVersion: 0,
        by: { subject: line.by, client: line.client, atMs: Date.parse(line.at) },
        ...(ttlSeconds !== undefined && { ttlSeconds }),
      });
    }
    this.#counts.values += 1;
  }

  #operationOf(line: number): string {
    return `import.${createHash("sha256").update(this.#options.fileId).digest("base64url").slice(0, 22)}.${line}`;
  }
}

/** Stands for a session that a dry run does not create. */
const NO_SESSION = {
  generation: "",
  createdAtMs: 0,
  activeAtMs: 0,
  ttlSeconds: 0,
  expiresAt: undefined,
  hardEnd: undefined,
  amended: 0,
} as const;
