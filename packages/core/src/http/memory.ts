// All of a caller's memory at once over HTTP, as lines of JSON: out with GET /memory/export, back with POST /memory/import. What a line
// means is for state/transfer to say.
import type { Hono } from "hono";
import type { Services } from "../calls/services.ts";
import { AppError } from "../errors.ts";
import { authorize, type Principal, READ_SCOPE, WRITE_SCOPE } from "../principal.ts";
import type { Bodies } from "./body.ts";
import { type Bindings, type CallerCheck, principalOf } from "./caller-of-request.ts";

const LINES = "application/x-ndjson";
/** Bytes of one import: it is held until it is written, and a larger one is the command's, which reads a file twice instead. */
const IMPORT_MAX_BYTES = 16 * 1_048_576;

export interface MemoryRoutesOptions {
  readonly services: Services;
  readonly callers: CallerCheck;
  readonly bodies: Bodies;
}

export function serveMemory(app: Hono<Bindings>, { services, callers, bodies }: MemoryRoutesOptions): void {
  const memoryOf = async (principal: Principal, scope: string) => {
    authorize(principal, scope);
    if (principal.kind === "anonymous")
      throw new AppError("forbidden", "Anonymous callers have no memory of their own to export or import.");
    await services.state.admit(principal);
    return services.state.forCaller({ principal, client: "" });
  };

  app.get("/memory/export", async (c) => {
    const memory = await memoryOf(await principalOf(c, callers), READ_SCOPE);
    const lines = memory.export();
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      // An error cuts the answer off, so that a part of a memory does not pass for all of it.
      pull: async (controller) => {
        const { done, value } = await lines.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
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
    const memory = await memoryOf(principal, WRITE_SCOPE);
    const dryRun = c.req.query("dry_run") ?? "false";
    if (dryRun !== "true" && dryRun !== "false")
      throw new AppError("invalid_input", "dry_run is neither true nor false. Leave it out to import.");
    const { text, hash } = await bodies.readText(c.req.raw, principal, { type: LINES, maxBytes: IMPORT_MAX_BYTES });
    return c.json(await memory.import(eachLine(text), { fileId: hash, dryRun: dryRun === "true" }));
  });
}

/** Ended by a line feed and by nothing else, as an export writes them. */
async function* eachLine(text: string): AsyncGenerator<string> {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  yield* lines;
}
