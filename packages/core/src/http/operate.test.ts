// Who may read what the server does, and what is read.
import { describe, expect, it } from "vitest";
import { parseTokens } from "../auth/tokens.ts";
import { testApp } from "../testing/test-app.ts";

const OPERATOR = "o".repeat(32);
const ALICE = "a".repeat(32);
const READER = "r".repeat(32);
const tokens = parseTokens(`ops:console:operate=${OPERATOR},alice=${ALICE},reader:read=${READER}`);
const PATHS = ["calls", "service", "fleet"];

type Options = Parameters<typeof testApp>[0];

function server(options: Options = {}, address = "192.0.2.7") {
  const journal = { mode: "calls", label: "p" } as const;
  const { app } = testApp({ journal, access: { mode: "tokens", tokens }, ...options });
  const get = (path: string, token?: string, headers: Record<string, string> = {}) =>
    app.fetch(
      new Request(`http://localhost${path}`, {
        headers: { host: "localhost", ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
      }),
      { address },
    );
  const call = (name: string) =>
    app.fetch(
      new Request(`http://localhost/tools/${name}`, {
        method: "POST",
        headers: { host: "localhost", authorization: `Bearer ${ALICE}`, "content-type": "application/json" },
        body: "{}",
      }),
      { address },
    );
  return { app, get, call };
}

describe("the operator's routes", () => {
  it("are for a token that names the scope, which opens nothing else", async () => {
    const { app, get } = server();
    for (const path of PATHS) {
      const statusOf = async (token?: string) => (await get(`/console/api/${path}`, token)).status;
      expect(await statusOf()).toBe(401);
      expect(await statusOf(READER)).toBe(403);
      expect(await statusOf(ALICE)).toBe(403);
      expect(await statusOf(OPERATOR)).toBe(200);
    }
    const notes = await app.fetch(
      new Request("http://localhost/tools/get_notes", {
        method: "POST",
        headers: { host: "localhost", authorization: `Bearer ${OPERATOR}`, "content-type": "application/json" },
        body: JSON.stringify({ session_id: "s" }),
      }),
    );
    expect(notes.status).toBe(403);
  });

  it("are for this machine where it has one local user, and for none where everybody may call", async () => {
    for (const path of PATHS) {
      const statusFrom = async (mode: "local" | "anonymous", address: string) =>
        (await server({ access: { mode } }, address).get(`/console/api/${path}`)).status;
      expect(await statusFrom("local", "127.0.0.1")).toBe(200);
      expect(await statusFrom("local", "192.0.2.7")).toBe(403);
      expect(await statusFrom("anonymous", "127.0.0.1")).toBe(404);
    }
  });

  it("are for pages of this server alone, also where others may use its tools", async () => {
    const { get } = server({ allowedOrigins: ["https://app.example"] });
    const statusFor = async (headers: Record<string, string>) =>
      (await get("/console/api/calls", OPERATOR, headers)).status;
    for (const origin of ["https://app.example", "http://localhost:9999", "null", "https://evil.example"])
      expect(await statusFor({ origin }), origin).toBe(403);
    for (const site of ["cross-site", "same-site"]) expect(await statusFor({ "sec-fetch-site": site })).toBe(403);
    expect(await statusFor({ origin: "http://localhost" })).toBe(200);
    expect(await statusFor({ "sec-fetch-site": "same-origin" })).toBe(200);
  });

  it("say what was done", async () => {
    const { app, get, call } = server();
    await call("list_sessions");
    await call("get_value");
    await app.close();
    const read = async (path: string) => {
      const answer = await get(`/console/api/${path}`, OPERATOR);
      expect(answer.headers.get("cache-control")).toBe("no-store");
      return answer.json();
    };
    expect(await read("calls?outcome=failed")).toEqual({
      journal: "calls",
      searched: 2,
      calls: [
        {
          at: expect.any(Number),
          duration_ms: expect.any(Number),
          ...{ method: "tools/call", tool: "get_value", outcome: "invalid_input", transport: "rest", era: "" },
          ...{ principal: expect.any(String), principal_name: "alice", client: "", session: "", trace_id: "" },
          request_id_prefix: expect.stringMatching(/^[0-9a-f]{12}$/),
          ...{ argument_bytes: 0, result_bytes: 0 },
          ...{ table_requests: 0, table_units: 0, process: expect.any(String), label: "p" },
        },
      ],
    });
    // {} was given; what came is in the answer.
    const sizes = { argument_bytes: 2, result_bytes: JSON.stringify({ sessions: [] }).length };
    expect(await read("calls?outcome=ok")).toMatchObject({ calls: [{ tool: "list_sessions", ...sizes }] });
    const row = { method: "tools/call", failed: 0, hits: 0, misses: 0 };
    expect(await read("service?window=1h")).toMatchObject({
      rows: expect.arrayContaining([expect.objectContaining({ ...row, tool: "list_sessions", outcomes: { ok: 1 } })]),
      points: [{ calls: 2, failed: 1 }],
      table: { requests: 0, attempts: 0, units: 0 },
      dropped: 0,
    });
    expect(await read("fleet")).toMatchObject({ processes: [{ label: "p", state: "ended", calls: 2 }] });
  });

  it("refuse queries that mean nothing", async () => {
    const { get } = server();
    const cursors = ["x", Buffer.from('["a",1]').toString("base64url"), Buffer.from('[9e15,""]').toString("base64url")];
    const bad = ["calls?limit=0", "calls?limit=x", "calls?slower_than_ms=-1", `calls?cursor=${cursors[0]}`];
    for (const path of [...bad, `calls?cursor=${cursors[1]}`, "service?window=1y", "service?window=toString"])
      expect((await get(`/console/api/${path}`, OPERATOR)).status, path).toBe(400);
    expect((await get(`/console/api/calls?cursor=${cursors[2]}`, OPERATOR)).status).toBe(200);
  });
});
