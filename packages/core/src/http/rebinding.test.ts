import { hostHeaderValidationResponse } from "@modelcontextprotocol/server";
import { describe, expect, it } from "vitest";
import type { AppOptions } from "../app.ts";
import { parseTokens } from "../auth/tokens.ts";
import { testApp } from "../testing/test-app.ts";
import { faultOfHost } from "./guard.ts";

type Fields = Record<string, string>;

function server(options: Omit<AppOptions, "clock"> = {}) {
  const { app } = testApp(options);
  const send = async (method: string, path: string, headers: Fields = {}, body?: string) => {
    const init = { method, headers: { host: "localhost:3333", ...headers }, ...(body !== undefined && { body }) };
    return app.fetch(new Request(`http://localhost${path}`, init));
  };
  return { app, send };
}

const HOSTILE_HOSTS = [
  "evil.com",
  "evil.com:3333",
  "localhost.evil.com",
  "localhost.evil.com:3333",
  "evil-localhost",
  "127.0.0.1.nip.io",
  "127.0.0.1.evil.com:3333",
  "0.0.0.0",
  "0.0.0.0:3333",
  "192.168.1.10:3333",
  "10.0.0.1",
  "169.254.169.254",
  "[::]",
  "[fe80::1]:3333",
  "[::ffff:7f00:1]",
  "localhost@evil.com",
  "evil.com#localhost",
  "evil.com/localhost",
  "evil.com?localhost",
  "127.0.0.2",
  "localhost.",
  "localhost:80:80",
  "local host",
  "localhost,evil.com",
  "xn--lcalhost-1za.com",
  ":3333",
  "",
];
const HOSTILE_ORIGINS = [
  "http://evil.com",
  "https://evil.com",
  "http://localhost.evil.com",
  "http://evil.com:3333",
  "http://127.0.0.1.nip.io",
  "http://192.168.1.10",
  "http://0.0.0.0:3333",
  "http://[::]",
  "null",
  "file://",
  "http://localhost@evil.com",
  "http://evil.com#localhost",
  "http://evil.com/localhost",
  "chrome-extension://abcdefghijklmnop",
  "data:text/html,x",
  "localhost",
  "http://",
  "http://localhost, http://evil.com",
  "https://127.0.0.2",
  "http://localhost.",
  // Pages of other programs on this machine.
  "http://localhost",
  "http://localhost:6274",
  "https://localhost:9999",
  "http://127.0.0.1:3333",
  "http://LOCALHOST:3333",
  "http://localhost:3333/",
];

const TOKEN = "t".repeat(32);

describe("a web page or another name for this machine", () => {
  it("is tried in at least 40 ways", () => {
    expect(HOSTILE_HOSTS.length + HOSTILE_ORIGINS.length).toBeGreaterThanOrEqual(40);
  });

  it("is judged as the official SDK judges it", async () => {
    const names = ["localhost", "127.0.0.1", "[::1]", "mcp.example"];
    const right = [
      "localhost",
      "localhost:3333",
      "LOCALHOST",
      "127.1:3333",
      "[::1]:1",
      "[0::1]",
      "mcp.example:443",
      "mcp。example",
    ];
    for (const host of [...HOSTILE_HOSTS, ...right]) {
      // The SDK reads a request's headers and no more of it.
      const request = { headers: { get: () => host } } as unknown as Request;
      const refused = (await hostHeaderValidationResponse(request, names)?.json()) as
        | { error: { message: string } }
        | undefined;
      expect([host, faultOfHost(host, names)]).toEqual([host, refused?.error.message]);
    }
    expect(right.filter((host) => faultOfHost(host, names) !== undefined)).toEqual([]);
  });

  const everywhere = async (headers: Fields) => {
    const { app, send } = server();
    const json = { "content-type": "application/json", ...headers };
    const statuses = [
      (await send("POST", "/mcp/call_tool", json, JSON.stringify({ name: "add_note", arguments: { note: "x" } })))
        .status,
      (await send("GET", "/mcp/list_tools", headers)).status,
      (await send("POST", "/mcp", json, JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }))).status,
      (await send("GET", "/mcp", headers)).status,
      (await send("DELETE", "/mcp", headers)).status,
      (await send("OPTIONS", "/mcp", headers)).status,
      (await send("GET", "/health", headers)).status,
      (await send("GET", "/nothing", headers)).status,
    ];
    await app.close();
    return new Set(statuses);
  };

  it.each(HOSTILE_HOSTS)("with the Host %j is refused on every route, with nothing configured", async (host) => {
    expect(await everywhere({ host })).toEqual(new Set([403]));
  });

  it.each(HOSTILE_ORIGINS)("with the Origin %j is refused on every route, with nothing configured", async (origin) => {
    expect(await everywhere({ origin })).toEqual(new Set([403]));
  });

  it.each([
    [
      "another site's picture",
      { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" },
    ],
    [
      "another port's script",
      { "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script" },
    ],
    [
      "another site's frame",
      { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" },
    ],
    ["a request that says no more", { "sec-fetch-site": "cross-site" }],
  ])("is refused where it asks without an Origin: %s", async (_, headers: Fields) => {
    const { send } = server();
    for (const path of ["/memory/export", "/mcp/list_tools", "/mcp", "/docs", "/health", "/nothing"])
      expect([path, (await send("GET", path, headers)).status]).toEqual([path, 403]);
  });

  it("that leads a person here, in a tab of their own, is let do so, and the server's own pages may ask", async () => {
    const { send } = server();
    const followed = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };
    for (const headers of [followed, { "sec-fetch-site": "same-origin" }, { "sec-fetch-site": "none" }])
      expect((await send("GET", "/docs", headers)).status).toBe(200);
  });

  it("is refused by its Origin also where tokens are asked for and any Host may lead", async () => {
    const { send } = server({ access: { mode: "tokens", tokens: parseTokens(TOKEN) } });
    const headers = { authorization: `Bearer ${TOKEN}`, host: "mcp.example.com" };
    expect((await send("GET", "/mcp/list_tools", headers)).status).toBe(200);
    expect((await send("GET", "/mcp/list_tools", { ...headers, origin: "http://evil.com" })).status).toBe(403);
  });

  it.each([
    { host: "localhost" },
    { host: "127.0.0.1:9" },
    { host: "[::1]:3333" },
    { origin: "http://localhost:3333" },
    { host: "127.0.0.1:3333", origin: "http://127.0.0.1:3333" },
    { host: "[::1]:3333", origin: "http://[::1]:3333" },
  ])("is not taken for one at %j", async (headers) => {
    expect((await server().send("GET", "/mcp/list_tools", headers)).status).toBe(200);
  });

  it("that the operator allows is let in, and its neighbours are not", async () => {
    const { send } = server({
      allowedHosts: ["mcp.example.com"],
      allowedOrigins: ["https://app.example.com", "http://localhost:6274"],
    });
    const status = async (headers: Fields) => (await send("GET", "/mcp/list_tools", headers)).status;
    expect(await status({ host: "mcp.example.com" })).toBe(200);
    expect(await status({ host: "mcp.example.com:8443", origin: "https://app.example.com" })).toBe(200);
    expect(await status({ origin: "http://localhost:6274" })).toBe(200);
    expect(await status({ host: "mcp.example.com", origin: "https://mcp.example.com" })).toBe(200);
    for (const origin of ["http://app.example.com", "https://app.example.com:8443", "http://localhost:6275"])
      expect(await status({ origin })).toBe(403);
    expect(await status({ host: "example.com" })).toBe(403);
    expect(await status({ host: "x.mcp.example.com" })).toBe(403);
    expect(await status({ origin: "https://example.com" })).toBe(403);
    expect(await status({ origin: "https://mcp.example.com" })).toBe(403);
  });
});
