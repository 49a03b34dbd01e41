// The pages' one way to the server in the MCP App: tools that a model can call too, which the host calls for them, so that what is seen and
// done here is what the host's person may see and do. Holds no token. Knows no page.
import { request } from "./host.js";

const ERROR = "io.github.stateful-mcp/error";

/** What the server would not do: a code for the page, a sentence for the person. */
export class Refused extends Error {
  /** @param {string} message @param {Record<string, any>} [facts] */
  constructor(message, facts = {}) {
    super(message);
    this.name = "Refused";
    this.code = facts.code;
    this.needs = facts.needs;
  }
}

async function call(name, args) {
  const result = await request("tools/call", { name, arguments: args });
  if (!result.isError) return result.structuredContent ?? {};
  const text = (result.content ?? []).map((block) => block.text ?? "").join("\n");
  throw new Refused(text, result._meta?.[ERROR]);
}

/** Calls a tool that only reads. @param {string} name @param {object} [args] @param {AbortSignal} [signal] */
export async function read(name, args = {}, signal) {
  const result = await call(name, args);
  signal?.throwIfAborted();
  return result;
}

/** Calls a tool that changes something. @param {string} name @param {object} args */
export async function write(name, args) {
  try {
    return await call(name, args);
  } catch (error) {
    // It has to be confirmed, and the host cannot ask: the person at the page is the one who would be asked.
    if (!(error instanceof Refused && error.needs === "confirm")) throw error;
    return call(name, { ...args, confirm: true });
  }
}
