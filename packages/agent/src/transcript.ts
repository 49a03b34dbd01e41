// The messages of one conversation, kept on the MCP server in a session of their own: one value per message, written once.
import * as z from "zod";
import type { Message } from "./model.ts";
import type { Answer, Server } from "./server.ts";

const PREFIX = "message/";
/** Digits of a message's number: with them the order of names is the order of messages. */
const DIGITS = 6;

const messageSchema: z.ZodType<Message> = z.union([
  z.object({ role: z.literal("user"), text: z.string() }),
  z.object({
    role: z.literal("assistant"),
    text: z.string(),
    calls: z.array(z.object({ id: z.string(), name: z.string(), input: z.record(z.string(), z.unknown()) })),
  }),
  z.object({
    role: z.literal("tools"),
    results: z.array(z.object({ id: z.string(), text: z.string(), failed: z.boolean() })),
  }),
]);

export class Transcript {
  readonly #server: Server;
  readonly #messages: Message[];
  /** Handle of the session that holds the messages: what `--resume` takes. */
  readonly id: string;
  /** Handle of the session the model's tools work in, so that a tool which clears a session leaves the messages alone. */
  readonly workspace: string;

  private constructor(server: Server, id: string, workspace: string, messages: Message[]) {
    this.#server = server;
    this.id = id;
    this.workspace = workspace;
    this.#messages = messages;
  }

  static async create(server: Server): Promise<Transcript> {
    const session = async () =>
      String(given(await server.call("create_session", {}, { key: crypto.randomUUID() })).session_id);
    const [id, workspace] = [await session(), await session()];
    const input = { session_id: id, key: "workspace", value: workspace, if_version: 0 };
    given(await server.call("store_value", input, { key: crypto.randomUUID() }));
    return new Transcript(server, id, workspace, []);
  }

  /** Throws when there is no such session, or when it holds no conversation. */
  static async resume(server: Server, id: string): Promise<Transcript> {
    const read = async (key: string) =>
      given(await server.call("get_value", { session_id: id, key }, { key: "" })).value;
    const workspace = await read("workspace");
    if (typeof workspace !== "string") throw new Error(`The session ${id} holds no conversation of this agent`);
    const messages: Message[] = [];
    for (let cursor: unknown; ; ) {
      const input = { session_id: id, prefix: PREFIX, ...(cursor !== undefined && { cursor }) };
      const page = given(await server.call("list_values", input, { key: "" }));
      for (const { key } of page.values as { key: string }[]) messages.push(messageSchema.parse(await read(key)));
      cursor = page.next_cursor;
      if (cursor === undefined) return new Transcript(server, id, workspace, messages);
    }
  }

  get messages(): readonly Message[] {
    return this.#messages;
  }

  /** Durable when it resolves. Throws when another agent has added to this conversation meanwhile. */
  async add(message: Message): Promise<void> {
    const number = String(this.#messages.length).padStart(DIGITS, "0");
    const input = { session_id: this.id, key: `${PREFIX}${number}`, value: message, if_version: 0 };
    const answer = await this.#server.call("store_value", input, { key: crypto.randomUUID() });
    if (answer.failed && /is at version/.test(answer.text)) {
      throw new Error(`Another agent has continued this conversation. Take it up again with --resume ${this.id}`);
    }
    given(answer);
    this.#messages.push(message);
  }
}

function given({ text, failed, structured }: Answer): Record<string, unknown> {
  if (failed) throw new Error(text);
  return structured;
}
