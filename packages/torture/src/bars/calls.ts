// Calls of a bar, in this process or to a server, with an answer or a reason; and sending one again until its answer is known.
import { setTimeout as sleep } from "node:timers/promises";
import { type App, AppError, LOCAL_PRINCIPAL, type Principal } from "@stateful-mcp/core";

export type Result = Readonly<Record<string, unknown>>;

export type Reply =
  | { readonly result: Result; readonly replayed: boolean }
  /** `code` is the product's, or `lost` when the connection broke. */
  | { readonly code: string; readonly message: string; readonly details: Result };

/** Calls a tool of an app in this process. */
export async function callApp(
  app: App,
  name: string,
  args: Result,
  principal: Principal = LOCAL_PRINCIPAL,
): Promise<Reply> {
  try {
    const { structured, replayed } = await app.call({ name, arguments: args, principal });
    return { result: structured, replayed };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { code: error.code, message: error.message, details: error.details ?? {} };
  }
}

/** Calls a tool of a server process. */
export async function callServer(address: string, name: string, args: Result): Promise<Reply> {
  try {
    const response = await fetch(new URL("/mcp/call_tool", address), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name, arguments: args }),
    });
    const body = (await response.json()) as { result?: Result; code?: string; error?: string };
    if (body.result) return { result: body.result, replayed: response.headers.has("idempotency-replayed") };
    return { code: body.code ?? String(response.status), message: body.error ?? "", details: {} };
  } catch (error) {
    return { code: "lost", message: String(error), details: {} };
  }
}

/** True when it is open what became of the call, so that only sending it again can tell. */
export const isOpen = (reply: Reply): boolean =>
  "code" in reply && ["lost", "unavailable", "in_progress"].includes(reply.code);

/** Sends a call with an idempotency key until its answer is known, each time as `send` likes; the last reply may still be open. */
export async function resend(send: () => Promise<Reply>, attempts = 40): Promise<Reply> {
  for (let attempt = 1; ; attempt++) {
    const reply = await send();
    if (!isOpen(reply) || attempt === attempts) return reply;
    await sleep(Math.min(25 * attempt, 500));
  }
}
