// Access tokens against a real authorization server, and what must not pass: every mutant of a good token.
import { createHmac, generateKeyPairSync, KeyObject, type webcrypto } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import Provider from "oidc-provider";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, createApp } from "../app.ts";
import { createOAuth } from "./oauth.ts";

const AUDIENCE = "http://localhost:3333/mcp";
let issuer = "";
let signingKey: webcrypto.CryptoKey;
let publicPem = "";
let server: Server;
let online = true;
let app: App;

async function listen(handler: Parameters<typeof createServer>[1]): Promise<{ server: Server; origin: string }> {
  const listening = createServer(handler);
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  return { server: listening, origin: `http://127.0.0.1:${(listening.address() as AddressInfo).port}` };
}

beforeAll(async () => {
  const pair = await generateKeyPair("RS256", { extractable: true });
  signingKey = pair.privateKey;
  publicPem = KeyObject.from(pair.publicKey).export({ type: "spki", format: "pem" }).toString();
  const jwk = { ...(await exportJWK(pair.privateKey)), kid: "first", alg: "RS256", use: "sig" };
  let answer: Parameters<typeof createServer>[1];
  const listening = await listen((request, response) => {
    if (!online) request.socket.destroy();
    else answer?.(request, response);
  });
  server = listening.server;
  issuer = listening.origin;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "agent",
        client_secret: "agent-secret",
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        scope: "read write",
      },
    ],
    jwks: { keys: [jwk] },
    scopes: ["read", "write"],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: "read write",
          audience: AUDIENCE,
          accessTokenTTL: 300,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
  });
  answer = provider.callback();
  const access = { mode: "oauth", oauth: createOAuth({ issuer, audience: AUDIENCE }) } as const;
  app = createApp({ access });
});

afterAll(async () => {
  await app.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function grant(scope: string): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: "POST",
    headers: { authorization: `Basic ${btoa("agent:agent-secret")}` },
    body: new URLSearchParams({ grant_type: "client_credentials", resource: AUDIENCE, scope }),
  });
  return ((await response.json()) as { access_token: string }).access_token;
}

const call = (authorization: string | undefined, name = "add_note", query = "", to: App = app) =>
  to.fetch(
    new Request(`${AUDIENCE}${query}`, {
      method: "POST",
      headers: {
        host: "localhost:3333",
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": name,
        ...(authorization !== undefined && { authorization }),
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: {
          name,
          arguments: { session_id: "s", ...(name === "add_note" && { note: "n" }) },
          _meta: {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
          },
        },
      }),
    }),
  );

const now = () => Math.floor(Date.now() / 1000);
const good = () => ({
  iss: issuer,
  aud: AUDIENCE,
  sub: "alice",
  client_id: "agent",
  iat: now(),
  exp: now() + 300,
  scope: "read write",
});
const signed = (
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
  key: webcrypto.CryptoKey | KeyObject = signingKey,
) => new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: "first", typ: "at+jwt", ...header }).sign(key);
const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

describe("a token of a real authorization server", () => {
  it("lets its holder call", async () => {
    const response = await call(`Bearer ${await grant("read write")}`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ result: { structuredContent: { session_id: "s" } } });
  });

  it("keeps its holder's sessions when it is refreshed", async () => {
    await call(`Bearer ${await grant("read write")}`);
    const response = await call(`Bearer ${await grant("read write")}`, "get_notes");
    const { result } = (await response.json()) as { result: { structuredContent: { notes: string[] } } };
    expect(result.structuredContent.notes.length).toBeGreaterThan(0);
  });

  it("that may only read is refused a write with the scope it lacks", async () => {
    const response = await call(`Bearer ${await grant("read")}`);
    expect(response.status).toBe(403);
    expect(response.headers.get("www-authenticate")).toContain('error="insufficient_scope", scope="write"');
    expect((await call(`Bearer ${await grant("read")}`, "get_notes")).status).toBe(200);
  });
});

describe("what is refused", () => {
  const without = (name: string) => Object.fromEntries(Object.entries(good()).filter(([key]) => key !== name));
  const mutants: [string, () => Promise<string> | string][] = [
    ["no token at all", () => ""],
    ["an empty bearer", () => "Bearer "],
    ["another scheme", async () => `Basic ${await signed(good())}`],
    ["two tokens", async () => `Bearer ${await signed(good())} ${await signed(good())}`],
    ["text that is no JWT", () => "Bearer abc"],
    ["another audience", async () => `Bearer ${await signed({ ...good(), aud: "https://elsewhere.example/mcp" })}`],
    ["no audience", async () => `Bearer ${await signed(without("aud"))}`],
    ["an empty audience", async () => `Bearer ${await signed({ ...good(), aud: [] })}`],
    ["the audience with a suffix", async () => `Bearer ${await signed({ ...good(), aud: `${AUDIENCE}.example` })}`],
    ["another issuer", async () => `Bearer ${await signed({ ...good(), iss: "https://issuer.example" })}`],
    ["the issuer with a slash", async () => `Bearer ${await signed({ ...good(), iss: `${issuer}/` })}`],
    ["no issuer", async () => `Bearer ${await signed(without("iss"))}`],
    ["an expired token", async () => `Bearer ${await signed({ ...good(), exp: now() - 10 })}`],
    ["no expiry", async () => `Bearer ${await signed(without("exp"))}`],
    ["an expiry that is text", async () => `Bearer ${await signed({ ...good(), exp: "tomorrow" })}`],
    ["a token of the future", async () => `Bearer ${await signed({ ...good(), nbf: now() + 60 })}`],
    ["no subject", async () => `Bearer ${await signed(without("sub"))}`],
    ["an empty subject", async () => `Bearer ${await signed({ ...good(), sub: "" })}`],
    ["a subject that is a number", async () => `Bearer ${await signed({ ...good(), sub: 7 })}`],
    ["alg none", () => `Bearer ${encoded({ alg: "none", typ: "at+jwt" })}.${encoded(good())}.`],
    ["alg None", () => `Bearer ${encoded({ alg: "None", typ: "at+jwt" })}.${encoded(good())}.`],
    [
      "an HMAC with the public key as its secret",
      () => {
        const content = `${encoded({ alg: "HS256", kid: "first", typ: "at+jwt" })}.${encoded(good())}`;
        return `Bearer ${content}.${createHmac("sha256", publicPem).update(content).digest("base64url")}`;
      },
    ],
    [
      "another key under the same kid",
      async () => `Bearer ${await signed(good(), {}, generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey)}`,
    ],
    ["an unknown kid", async () => `Bearer ${await signed(good(), { kid: "other" })}`],
    [
      "a key brought along in the header",
      async () => {
        const pair = await generateKeyPair("RS256", { extractable: true });
        return `Bearer ${await signed(good(), { kid: "other", jwk: await exportJWK(pair.publicKey) }, pair.privateKey)}`;
      },
    ],
    ["a logout token", async () => `Bearer ${await signed(good(), { typ: "logout+jwt" })}`],
    ["a header typ that is no text", async () => `Bearer ${await signed(good(), { typ: 5 })}`],
    ["an ID token by its use", async () => `Bearer ${await signed({ ...good(), token_use: "id" })}`],
    ["an ID token by its nonce", async () => `Bearer ${await signed({ ...good(), nonce: "n" })}`],
    ["an ID token by its claim typ", async () => `Bearer ${await signed({ ...good(), typ: "ID" })}`],
    ["a refresh token by its claim typ", async () => `Bearer ${await signed({ ...good(), typ: "Refresh" })}`],
    ["an offline token by its claim typ", async () => `Bearer ${await signed({ ...good(), typ: "Offline" })}`],
    ["a token bound to a key", async () => `Bearer ${await signed({ ...good(), cnf: { jkt: "x" } })}`],
    ["scopes as an object", async () => `Bearer ${await signed({ ...good(), scope: { read: true } })}`],
    ["scopes as a number", async () => `Bearer ${await signed({ ...good(), scope: 7 })}`],
    ["scopes as null", async () => `Bearer ${await signed({ ...good(), scope: null })}`],
    ["scopes as a list with a number", async () => `Bearer ${await signed({ ...good(), scope: ["read", 7] })}`],
    [
      "a critical header nobody knows",
      async () =>
        `Bearer ${await signed(good(), { typ: "at+jwt" }).then((token) => `${encoded({ alg: "RS256", kid: "first", crit: ["x"], x: 1 })}.${token.split(".").slice(1).join(".")}`)}`,
    ],
    [
      "a changed payload",
      async () => {
        const [header, , signature] = (await signed(good())).split(".");
        return `Bearer ${header}.${encoded({ ...good(), sub: "mallory" })}.${signature}`;
      },
    ],
    ["a cut signature", async () => `Bearer ${(await signed(good())).slice(0, -8)}`],
  ];
  it.each(mutants)("%s", async (_, authorization) => {
    const response = await call(await authorization());
    expect(response.status).toBe(401);
    const challenge = response.headers.get("www-authenticate");
    expect(challenge).toContain(`resource_metadata="http://localhost:3333/.well-known/oauth-protected-resource/mcp"`);
  });

  it("a good token in the query string", async () => {
    const token = await signed(good());
    expect((await call(undefined, "add_note", `?access_token=${token}`)).status).toBe(401);
    expect((await call(`Bearer ${token}`)).status).toBe(200);
  });

  it.each([
    [{ scope: undefined }],
    [{ scope: "" }],
    [{ scope: [] }],
    [{ scope: undefined, permissions: [] }],
    [{ scope: undefined, permissions: ["write"] }],
    [{ scope: "openid profile" }],
    [{ scope: "WRITE" }],
    [{ scope: "read\twrite" }],
    [{ scope: "read\u00a0write" }],
    [{ scope: "orders-api/write" }],
    [{ scope: "https://other.example/write" }],
    [{ scope: "write:all" }],
    [{ scope: undefined, scp: ["openid"] }],
  ])("a write with %j: only exact names of scopes count", async (claims) => {
    const token = await signed({ ...good(), ...claims });
    expect((await call(`Bearer ${token}`)).status).toBe(403);
  });

  it.each([
    { scope: "write" },
    { scope: ["write"] },
    { scope: undefined, scp: "write" },
    { scope: undefined, scp: ["write"] },
  ])("no write with %j", async (claims) => {
    expect((await call(`Bearer ${await signed({ ...good(), ...claims })}`)).status).toBe(200);
  });

  it("scopes without the prefix that this server's have", async () => {
    const oauth = createOAuth({ issuer, audience: AUDIENCE, scopePrefix: "orders-api/" });
    const prefixed = createApp({ access: { mode: "oauth", oauth } });
    const statusOf = async (scope: string) =>
      (await call(`Bearer ${await signed({ ...good(), scope })}`, "add_note", "", prefixed)).status;
    expect(await Promise.all(["orders-api/write", "write", "x/orders-api/write", "orders-api/"].map(statusOf))).toEqual(
      [200, 403, 403, 403],
    );
    await prefixed.close();
  });

  it("scopes for items and operators, unless they are named, also where scopes are not required", async () => {
    const oauth = createOAuth({ issuer, audience: AUDIENCE, requireScopes: false });
    const known = new Set(["read", "write", "billing", "items:read", "items:write", "console:operate"]);
    const scopesOf = async (claims: Record<string, unknown>) =>
      (await oauth.verify(await signed({ ...good(), ...claims }), known)).scopes;
    expect(await scopesOf({ scope: undefined })).toEqual(["read", "write", "billing"]);
    expect(await scopesOf({ scope: "" })).toEqual([]);
    await expect(scopesOf({ scope: null })).rejects.toMatchObject({ code: "unauthenticated" });
    expect(await scopesOf({ scope: "items:read console:operate" })).toEqual(["items:read", "console:operate"]);
  });

  it("a client that is not on the list, where tokens carry no audience", async () => {
    const oauth = createOAuth({ issuer, clients: ["agent"] });
    const listed = createApp({ access: { mode: "oauth", oauth } });
    const claims = without("aud");
    expect(
      (await call(`Bearer ${await signed({ ...claims, token_use: "access" })}`, "add_note", "", listed)).status,
    ).toBe(200);
    expect(
      (await call(`Bearer ${await signed({ ...claims, client_id: "other" })}`, "add_note", "", listed)).status,
    ).toBe(401);
    const statusOf = async (more: object, header: Record<string, unknown> = {}) =>
      (await call(`Bearer ${await signed({ ...claims, ...more }, header)}`, "add_note", "", listed)).status;
    // The same client's ID token, and one that says nothing of its kind.
    expect(await statusOf({ aud: "agent" })).toBe(401);
    expect(await statusOf({ aud: ["agent"], token_use: "access" })).toBe(401);
    expect(await statusOf({}, { typ: "JWT" })).toBe(401);
    expect(await statusOf({ typ: "Bearer", aud: ["account", "agent"] }, { typ: "JWT" })).toBe(200);
    expect(await statusOf({ token_use: "access" }, { typ: undefined })).toBe(200);
    await listed.close();
  });
});

describe("the issuer out of reach", () => {
  it("lets nobody in, says so, and recovers by itself", async () => {
    let nowMs = Date.now();
    const oauth = createOAuth({ issuer, audience: AUDIENCE, clock: { now: () => nowMs } });
    const fresh = createApp({ access: { mode: "oauth", oauth } });
    const token = await signed(good());
    online = false;
    const response = await call(`Bearer ${token}`, "add_note", "", fresh);
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("5");
    online = true;
    nowMs += 6_000;
    expect((await call(`Bearer ${token}`, "add_note", "", fresh)).status).toBe(200);
    await fresh.close();
  });
});

describe("an issuer's keys", () => {
  it("are not asked for again at once when they could not be had, however many tokens come", async () => {
    let asked = 0;
    const down = await listen((request, response) => {
      if (request.url?.endsWith("openid-configuration"))
        return void response.end(JSON.stringify({ issuer: down.origin, jwks_uri: `${down.origin}/jwks` }));
      asked += 1;
      response.writeHead(500).end();
    });
    let nowMs = Date.now();
    const oauth = createOAuth({ issuer: down.origin, audience: AUDIENCE, clock: { now: () => nowMs } });
    const tries = async () => {
      for (let at = 0; at < 10; at++)
        await expect(oauth.verify(await signed({ ...good(), iss: down.origin }), new Set())).rejects.toMatchObject({
          code: "unavailable",
        });
    };
    await tries();
    expect(asked).toBe(1);
    nowMs += 6_000;
    await tries();
    expect(asked).toBe(2);
    await new Promise((resolve) => down.server.close(resolve));
  });
});

describe("an issuer's documents", () => {
  it.each(["metadata", "keys"])("that do not end are not read to their end: %s", async (endless) => {
    let sent = 0;
    const { server: hostile, origin } = await listen((request, response) => {
      const isMetadata = request.url?.endsWith("openid-configuration") === true;
      response.setHeader("content-type", "application/json");
      if (isMetadata && endless === "keys") {
        response.end(JSON.stringify({ issuer: origin, jwks_uri: `${origin}/jwks` }));
        return;
      }
      const more = () => {
        while (!response.destroyed && response.write(" ".repeat(65_536))) sent += 65_536;
        sent += 65_536;
      };
      response.on("drain", more);
      more();
    });
    const oauth = createOAuth({ issuer: origin, audience: AUDIENCE });
    const token = await signed({ ...good(), iss: origin });
    await expect(oauth.verify(token, new Set())).rejects.toMatchObject({ code: "unavailable" });
    // Two places are asked for metadata, and a socket holds some more than was read.
    expect(sent).toBeLessThan(20_000_000);
    hostile.closeAllConnections();
    await new Promise((resolve) => hostile.close(resolve));
  });
});

describe("discovery", () => {
  it("tells a client whose tokens are for this server", async () => {
    const response = await app.fetch(new Request("http://localhost:3333/.well-known/oauth-protected-resource/mcp"));
    expect(await response.json()).toMatchObject({
      resource: AUDIENCE,
      authorization_servers: [issuer],
      scopes_supported: ["write", "read"],
    });
  });

  it("refuses a configuration that would accept anybody's token", () => {
    expect(() => createOAuth({ issuer: "https://issuer.example" })).toThrow(/an audience, or the clients/);
    expect(() => createOAuth({ issuer: "http://issuer.example", audience: AUDIENCE })).toThrow(/https/);
  });
});
