// resources/subscribe of 2025-era clients, whose stream may be on another instance than what they subscribe with and what changes.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterEach, describe, expect, it } from "vitest";
import { type App, createApp } from "../../app.ts";
import { MemoryStore } from "../../stores/memory-store.ts";

const NOTES = "session://plan/notes";
const opened: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

/** A client whose every request goes to another instance. */
async function connect(): Promise<{ client: Client; updated: string[] }> {
  const store = new MemoryStore();
  const apps: App[] = [createApp({ store }), createApp({ store })];
  opened.push(...apps);
  let turn = 0;
  const client = new Client({ name: "test-host", version: "1.0.0" });
  const updated: string[] = [];
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void updated.push(params.uri));
  const transport = new StreamableHTTPClientTransport(new URL("http://localhost/mcp"), {
    fetch: (input, init) => {
      const request = new Request(input, init);
      request.headers.set("host", "localhost");
      return (apps[turn++ % apps.length] as App).fetch(request);
    },
  });
  await client.connect(transport as Parameters<Client["connect"]>[0]);
  opened.unshift(client);
  return { client, updated };
}

const addNote = (client: Client, session: string) =>
  client.callTool({ name: "add_note", arguments: { session_id: session, note: "x" } });

describe("a 2025-era subscription", () => {
  it("tells of a change on its stream, once, and of nothing that was not asked for", async () => {
    const { client, updated } = await connect();
    await client.subscribeResource({ uri: NOTES });
    await addNote(client, "other");
    await addNote(client, "plan");
    await expect.poll(() => updated, { timeout: 20_000 }).toEqual([NOTES]);
    await addNote(client, "plan");
    await expect.poll(() => updated, { timeout: 20_000 }).toEqual([NOTES, NOTES]);
  });

  it("ends with resources/unsubscribe", async () => {
    const { client, updated } = await connect();
    const other = "session://other/notes";
    await client.subscribeResource({ uri: NOTES });
    await client.subscribeResource({ uri: other });
    await client.unsubscribeResource({ uri: NOTES });
    await addNote(client, "plan");
    await addNote(client, "other");
    await expect.poll(() => updated, { timeout: 20_000 }).toEqual([other]);
  });

  it("is refused for what cannot be watched, and beyond 32", async () => {
    const { client } = await connect();
    await expect(client.subscribeResource({ uri: "test://unknown" })).rejects.toThrow("no resource");
    for (let i = 0; i < 32; i++) await client.subscribeResource({ uri: `session://s${i}/notes` });
    await client.subscribeResource({ uri: "session://s0/notes" });
    await expect(client.subscribeResource({ uri: NOTES })).rejects.toThrow("32 subscriptions");
  });
});
