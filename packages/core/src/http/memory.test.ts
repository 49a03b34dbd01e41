// Export and import over HTTP: what goes out comes back, to the same caller alone, and a second time it adds nothing.
import { afterEach, describe, expect, it } from "vitest";
import { holding } from "../../test-support/intercepted-store.ts";
import { type App, createApp } from "../app.ts";
import { parseTokens } from "../auth/tokens.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import { movableClock } from "../testing/contracts/store-contract.ts";

const [ALICE, BOB, READER] = ["a", "b", "r"].map((letter) => letter.repeat(32)) as [string, string, string];
const access = { mode: "tokens", tokens: parseTokens(`alice=${ALICE},bob=${BOB},reader:read=${READER}`) } as const;
const LINES = "application/x-ndjson";
const opened: App[] = [];

afterEach(async () => {
  for (const app of opened.splice(0)) await app.close();
});

function server(options: Parameters<typeof createApp>[0] = { access }) {
  const app = createApp(options);
  opened.push(app);
  const send = (path: string, token: string | undefined, init: RequestInit = {}) =>
    app.fetch(
      new Request(`http://localhost${path}`, {
        ...init,
        headers: { host: "localhost", ...(token && { authorization: `Bearer ${token}` }), ...init.headers },
      }),
    );
  const call = async (name: string, token: string, input: object) => {
    const headers = { "content-type": "application/json" };
    return (await send(`/tools/${name}`, token, { method: "POST", headers, body: JSON.stringify(input) })).json();
  };
  const put = (token: string | undefined, body: string, path = "/memory/import", type = LINES) =>
    send(path, token, { method: "POST", headers: { "content-type": type }, body });
  return { send, call, put };
}

async function filled() {
  const { call, ...rest } = server();
  await call("add_note", ALICE, { session_id: "plan", note: "one\nline and another" });
  await call("store_value", ALICE, { session_id: "plan", key: "k", value: { a: [1] } });
  await call("add_note", BOB, { session_id: "plan", note: "Bob's" });
  const file = await (await rest.send("/memory/export", ALICE)).text();
  return { call, ...rest, file };
}

describe("memory over HTTP", () => {
  it("goes out as lines of JSON under a fixed name, one caller's alone", async () => {
    const { send, file } = await filled();
    const { headers, status } = await send("/memory/export", ALICE);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe(LINES);
    expect(headers.get("content-disposition")).toBe('attachment; filename="stateful-mcp-export.jsonl"');
    expect(headers.get("cache-control")).toBe("no-store");
    const kinds = file.trim().split("\n");
    expect(kinds.map((line) => JSON.parse(line).kind)).toEqual(["header", "session", "note", "value", "session_end"]);
    expect(file).not.toContain("Bob's");
  });

  it("comes back, and a second time nothing is added; a dry run writes nothing", async () => {
    const { send, call, put, file } = await filled();
    await call("delete_session", ALICE, { session_id: "plan" });
    const would = await (await put(ALICE, file, "/memory/import?dry_run=true")).json();
    expect(would).toMatchObject({ sessions: 1, notes: 1, values: 1 });
    expect(await call("list_sessions", ALICE, {})).toMatchObject({ sessions: [] });
    expect(await (await put(ALICE, file)).json()).toMatchObject({ sessions: 1, notes: 1, values: 1, present: 0 });
    expect(await (await put(ALICE, file)).json()).toMatchObject({ sessions: 0, notes: 0, values: 0, present: 2 });
    const again = await (await send("/memory/export", ALICE)).text();
    const content = (text: string) =>
      text
        .split("\n")
        .filter((line) => /"kind":"(note|value)"/.test(line))
        .map((line) => JSON.parse(line));
    expect(content(again)).toEqual(content(file));
  });

  it("counts against the calls of a minute: 25 lines in, and each megabyte out", async () => {
    const { call, send } = server();
    for (const session_id of ["one", "two", "three"])
      for (let n = 0; n < 50; n++) await call("add_note", ALICE, { session_id, note: "y".repeat(10_000) });
    const file = await (await send("/memory/export", ALICE)).text();
    const clock = movableClock();
    const store = new MemoryStore({ clock });
    const bounded = server({ access, store, clock, limits: { callsPerMinute: 2 } });
    const refused = await bounded.put(ALICE, file);
    expect([refused.status, refused.headers.has("retry-after")]).toEqual([429, true]);
    // What was written stands, and the rest comes with the next try.
    const free = server({ access, store, clock });
    expect(await (await free.put(ALICE, file)).json()).toMatchObject({ present: 48, notes: 102 });
    expect((await bounded.send("/memory/export", ALICE)).status).toBe(429);
    clock.advance(60);
    // Its 1.5 MB are two calls; with one left an export ends before its time, and does not pass for a whole one.
    expect((await (await bounded.send("/memory/export", ALICE)).text()).length).toBeGreaterThan(1_500_000);
    clock.advance(60);
    await bounded.call("list_sessions", ALICE, {});
    await expect((await bounded.send("/memory/export", ALICE)).text()).rejects.toThrow();
  });

  it("lets others be heard while lines come in that write nothing", async () => {
    const { put, file } = await filled();
    let turns = 0;
    let reading = true;
    const turn = () => {
      turns += 1;
      if (reading) setImmediate(turn);
    };
    setImmediate(turn);
    const header = file.slice(0, file.indexOf("\n") + 1);
    const lines = 5_000;
    expect((await put(ALICE, header + "\n".repeat(lines))).status).toBe(200);
    reading = false;
    // At least one turn of the event loop for each 25 lines, less what begins and ends it.
    expect(turns).toBeGreaterThan(lines / 25 - 10);
  });

  it("is held for one caller up to a bound while it is written, not only while it comes in", async () => {
    const { store, reached, open } = holding(new MemoryStore(), ({ pk, sk }) => `${pk} ${sk}`.includes("held"));
    const { put } = server({ access, store, limits: { arrivingBytesPerCaller: 1_000 } });
    const at = "2026-11-28T08:00:00Z";
    const file = (session_id: string) =>
      [
        { kind: "header", format: "stateful-mcp/1", exported_at: at, principal: "x" },
        { kind: "session", session_id, created_at: at, ttl_seconds: 0 },
        { kind: "note", text: "x".repeat(500), at, by: "x", client: "y" },
      ]
        .map((line) => `${JSON.stringify(line)}\n`)
        .join("");
    const first = put(ALICE, file("held"));
    await reached;
    expect((await put(ALICE, file("other"))).status).toBe(429);
    expect((await put(BOB, file("other"))).status).toBe(200);
    open();
    expect((await first).status).toBe(200);
    expect((await put(ALICE, file("other"))).status).toBe(200);
  });

  it("is refused in plain words where it is no export, too large, of another type or for others", async () => {
    const { put, send, file } = await filled();
    const refused = async (answer: Response) => [answer.status, ((await answer.json()) as { detail: string }).detail];
    expect(await refused(await put(ALICE, "{}\n"))).toEqual([400, expect.stringMatching(/^Line 1 of the import: /)]);
    expect(await refused(await put(ALICE, ""))).toEqual([400, expect.stringContaining("empty")]);
    expect(await refused(await put(ALICE, "\ud800 no JSON"))).toEqual([400, expect.stringContaining("Line 1")]);
    expect(await refused(await put(ALICE, "x".repeat(17 * 1_048_576)))).toEqual([
      413,
      expect.stringContaining("16777216"),
    ]);
    expect(await refused(await put(ALICE, file, undefined, "text/plain"))).toEqual([
      415,
      expect.stringContaining(LINES),
    ]);
    expect(await refused(await put(ALICE, file, "/memory/import?dry_run=1"))).toEqual([
      400,
      expect.stringContaining("dry_run"),
    ]);
    expect((await put(undefined, file)).status).toBe(401);
    expect((await put(READER, file)).status).toBe(403);
    expect((await send("/memory/export", READER)).status).toBe(200);
    const open = server({ access: { mode: "anonymous" } });
    expect((await open.send("/memory/export", undefined)).status).toBe(403);
    expect((await open.put(undefined, file)).status).toBe(403);
  });
});
