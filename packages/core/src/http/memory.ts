// All of a caller's memory at once over HTTP, as lines of JSON: out with GET /memory/export, back with POST /memory/import. What a line
// means is for state/transfer to say.
import { setImmediate } from "node:timers/promises";
import type { Hono } from "hono";
import type { Services } from "../calls/services.ts";
import { AppError } from "../errors.ts";
import { authorize, type Principal, READ_SCOPE, WRITE_SCOPE } from "../principal.ts";
import type { Bodies } from "./body.ts";
import { type Bindings, type CallerCheck, principalOf } from "./caller-of-request.ts";

const LINES = "application/x-ndjson";
/** Bytes of one import: it is held until it is written, and a larger one is the command's, which reads a file twice instead. */
const IMPORT_MAX_BYTES = 16 * 1_048_576;
/** What counts as one call against a caller's limit per minute: as many writes as `batch_write` makes, as much as `search_memory` reads. */
const LINES_PER_CALL = 25;
const BYTES_PER_CALL = 1_048_576;

export interface MemoryRoutesOptions {
  readonly services: Services;
  readonly callers: CallerCheck;
  readonly bodies: Bodies;
}

export function serveMemory(app: Hono<Bindings>, { services, callers, bodies }: MemoryRoutesOptions): void {
  const memoryOf = async (principal: Principal, ...scopes: string[]) => {
    for (const scope of scopes) authorize(principal, scope);
    if (principal.kind === "anonymous")
      throw new AppError("forbidden", "Anonymous callers have no memory of their own to export or import.");
    await services.state.admit(principal);
    return services.state.forCaller({ principal, client: "" });
  };

  app.get("/memory/export", async (c) => {
    const principal = await principalOf(c, callers);
    const memory = await memoryOf(principal, READ_SCOPE);
    const lines = memory.export();
    let sent = 0;
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      // An error cuts the answer off, so that a part of a memory does not pass for all of it.
      pull: async (controller) => {
        const { done, value } = await lines.next();
        if (done) return controller.close();
        const line = encoder.encode(`${JSON.stringify(value)}\n`);
        sent += line.byteLength;
        for (; sent >= BYTES_PER_CALL; sent -= BYTES_PER_CALL) await services.state.admit(principal);
        controller.enqueue(line);
      },
      cancel: async () => {
        await lines.return(undefined);
      },
    });
    return c.body(body, 200, {
      "Content-Type": LINES,
      "Content-Disposition": 'attachment; filename="stateful-mcp-export.jsonl"',
      "Cache-Control": "no-store",
    });
  });

  app.post("/memory/import", async (c) => {
    const principal = await principalOf(c, callers);
    // Its counts tell what was there already: who may only write could guess at what is stored.
    const memory = await memoryOf(principal, READ_SCOPE, WRITE_SCOPE);
    const dryRun = c.req.query("dry_run") ?? "false";
    if (dryRun !== "true" && dryRun !== "false")
      throw new AppError("invalid_input", "dry_run is neither true nor false. Leave it out to import.");
    const take = (text: string, fileId: string) =>
      memory.import(
        eachLine(text, () => services.state.admit(principal)),
        { fileId, dryRun: dryRun === "true" },
      );
    return c.json(await bodies.withText(c.req.raw, principal, { type: LINES, maxBytes: IMPORT_MAX_BYTES }, take));
  });
}

/**
 * Ended by a line feed and by nothing else, as an export writes them. What was written before a refusal is not written again. Lines that
 * write nothing wait for nothing: others are heard between them.
 */
async function* eachLine(text: string, admit: () => Promise<void>): AsyncGenerator<string> {
  let start = 0;
  for (let index = 0; start < text.length; index++) {
    if (index > 0 && index % LINES_PER_CALL === 0) {
      await setImmediate();
      await admit();
    }
    const end = text.indexOf("\n", start);
    yield end === -1 ? text.slice(start) : text.slice(start, end);
    start = end === -1 ? text.length : end + 1;
  }
}
