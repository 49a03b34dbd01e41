// Everything one call may do with state, as its principal and no other. Knows no store.
import { AppError } from "../errors.ts";
import { PAGE_MAX_BYTES } from "../limits.ts";
import { sentBytes } from "../text.ts";
import { beginWrite, type Caller, ownerOf, sessionOfTransport } from "./caller.ts";
import { CallerTasks } from "./caller-tasks.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import type { SearchPage } from "./search.ts";
import { SessionHandle } from "./session-handle.ts";
import type { SessionParts } from "./session-parts.ts";
import { acceptedSessionId, isHandle, mintHandle, type Session } from "./sessions.ts";
import type { Tasks } from "./tasks.ts";
import { type ExportLine, exportLines, type ImportCounts, type ImportOptions, importLines } from "./transfer.ts";

const cannotList = (): AppError =>
  new AppError(
    "forbidden",
    "Sessions of an open server cannot be listed. Keep the handle that create_session gave, and pass it as session_id.",
  );

/** Of a session in a listing: its dates, and the names of its members. */
const SENT_BESIDE_NAME_BYTES = 200;

/** Everything one call may do with state, as its principal and no other. */
export class CallerState {
  readonly #parts: SessionParts;
  readonly #caller: Caller;
  /** Tool calls of the caller that the server finishes by itself. */
  readonly tasks: CallerTasks;

  constructor(parts: SessionParts, tasks: Tasks, caller: Caller) {
    this.#parts = parts;
    this.#caller = caller;
    this.tasks = new CallerTasks(tasks, caller);
  }

  /** The session a call means. @throws AppError `invalid_input` when none of the rules of `sessionIdFor` gives one. */
  session(given?: string): SessionHandle {
    return new SessionHandle(this.#parts, this.#caller, sessionIdFor(this.#parts.settings, this.#caller, given));
  }

  /** At the end of the caller's 2025-era connection: deletes the session that it had by itself, unless something is kept in it. */
  async endConnection(): Promise<void> {
    const id = sessionOfTransport(this.#caller.transportSession);
    if (id === undefined || this.#caller.principal.kind === "anonymous") return;
    const session = new SessionHandle(this.#parts, this.#caller, id);
    if ((await session.info()) && (await session.isEmpty())) await session.delete();
  }

  /** Creates a session: a minted handle, or a name of the caller's choice. @throws AppError `conflict` when the name is taken. */
  async createSession(options: { name?: string | undefined; ttlSeconds?: number | undefined }): Promise<Session> {
    const { principal } = this.#caller;
    if (options.name !== undefined) {
      if (principal.kind === "anonymous")
        throw new AppError("invalid_input", "Sessions of an open server cannot be named. Leave name out.");
      if (isHandle(options.name))
        throw new AppError("invalid_input", "name must not start with ses_: that is for handles.");
    }
    const max = this.#parts.settings.maxSeconds;
    const { ttlSeconds } = options;
    if (ttlSeconds !== undefined && ttlSeconds > max)
      throw new AppError("invalid_input", `ttl_seconds must be at most ${max}; ${ttlSeconds} was given.`);
    this.#parts.crowd.admitSession(principal);
    const { keyed } = this.#caller;
    const write = beginWrite(keyed);
    // A re-sent call must mint the handle that its first attempt minted.
    const id = options.name === undefined ? mintHandle(await keyed?.seed()) : acceptedSessionId(options.name);
    const owner = ownerOf(principal, id);
    const { session, created } = await write((operation) =>
      this.#parts.sessions.create(owner, id, { ttlSeconds, operation }),
    );
    if (!created) {
      throw new AppError(
        "conflict",
        `You have a session named ${JSON.stringify(id)} already. Use it, or choose another name.`,
      );
    }
    return session;
  }

  /** Everything the caller keeps, line by line, in constant memory. @throws AppError `forbidden` for anonymous callers. */
  export(): AsyncGenerator<ExportLine> {
    return exportLines(this.#parts, this.#caller);
  }

  /**
   * Puts an export back: notes behind those that are there, values where there are none. The same file adds nothing a second time.
   * @throws AppError `invalid_input` that names the line; `too_large`; `forbidden` for anonymous callers.
   */
  import(lines: AsyncIterable<string>, options: ImportOptions): Promise<ImportCounts> {
    return importLines(this.#parts, this.#caller, lines, options);
  }

  /**
   * Looks for text in one session, or in all of the caller's, a bounded part per call.
   * @throws AppError `invalid_input`; `forbidden` for an anonymous caller that names no session.
   */
  async search(options: {
    query: string;
    session?: string | undefined;
    cursor?: string | undefined;
    limit: number;
  }): Promise<SearchPage> {
    const { principal } = this.#caller;
    if (options.session === undefined) {
      if (principal.kind === "anonymous") throw cannotList();
      const all = await this.#parts.sessions.list(principal.id);
      return this.#parts.search(
        all.map((session) => ({ owner: principal.id, session })),
        options,
      );
    }
    const handle = this.session(options.session);
    const session = await handle.info();
    const owner = ownerOf(principal, handle.id);
    return this.#parts.search(session ? [{ owner, session }] : [], options);
  }

  /** The caller's live sessions, latest activity first: at most `limit`, and 64 KiB as sent. @throws AppError `forbidden` for anonymous callers. */
  async listSessions(options: { cursor?: string | undefined; limit: number }): Promise<{
    sessions: Session[];
    nextCursor?: string;
  }> {
    const { principal } = this.#caller;
    if (principal.kind === "anonymous") throw cannotList();
    const all = await this.#parts.sessions.list(principal.id);
    let top = all[0]?.activeAtMs ?? 0;
    let rest = all;
    if (options.cursor !== undefined) {
      const [cursorTop, activeAtMs, id] = decodeCursor(options.cursor, ["number", "number", "string"]);
      top = cursorTop;
      rest = all.sort(listedFrom(top)).filter((one) => listedFrom(top)({ activeAtMs, id }, one) < 0);
    }
    const sessions: Session[] = [];
    let bytes = 0;
    for (const session of rest) {
      bytes += SENT_BESIDE_NAME_BYTES + sentBytes(session.id);
      if (sessions.length === options.limit || (bytes > PAGE_MAX_BYTES && sessions.length > 0)) break;
      sessions.push(session);
    }
    const last = sessions.at(-1);
    return {
      sessions,
      ...(last && rest.length > sessions.length && { nextCursor: encodeCursor([top, last.activeAtMs, last.id]) }),
    };
  }
}

/**
 * The session a call means: the one it names, else the operator's default, else for local use the app's own, else the one that
 * belongs to its 2025-era transport session (a name like any other: its first write creates it).
 * @throws AppError `invalid_input` when none of these gives one.
 */
export function sessionIdFor(
  { defaultSession, localSession = "default" }: { defaultSession?: string | undefined; localSession?: string },
  { principal, transportSession }: Caller,
  given?: string,
): string {
  if (principal.kind === "anonymous" && (given === undefined || !isHandle(given))) {
    throw new AppError(
      "invalid_input",
      "This server is open to everybody, so only handles from create_session work here: pass one as session_id.",
    );
  }
  const implied = principal.kind === "local" ? localSession : sessionOfTransport(transportSession);
  const id = given ?? defaultSession ?? implied;
  if (id === undefined) {
    throw new AppError(
      "invalid_input",
      "session_id is missing. Pass a name of your own, such as 'team-plan', or call create_session once; then pass the same session_id to every later call.",
    );
  }
  return acceptedSessionId(id);
}

/**
 * The order of a listing whose first page began at `top`: latest activity first, then those used since, by when. A session that
 * is used while the pages are read moves towards their end, so that no page misses it.
 */
const listedFrom =
  (top: number) =>
  (a: Pick<Session, "activeAtMs" | "id">, b: Pick<Session, "activeAtMs" | "id">): number => {
    const [aMoved, bMoved] = [a.activeAtMs > top, b.activeAtMs > top];
    if (aMoved !== bMoved) return aMoved ? 1 : -1;
    const later = aMoved ? a.activeAtMs - b.activeAtMs : b.activeAtMs - a.activeAtMs;
    return later || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
  };
