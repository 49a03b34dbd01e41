import { describe, expect, it } from "vitest";
import { ANONYMOUS_PRINCIPAL, LOCAL_PRINCIPAL, makePrincipal } from "../principal.ts";
import { authenticate } from "./access.ts";
import { mintToken, parseTokens, tokenPrincipal } from "./tokens.ts";

const A = "a".repeat(32);
const B = "b".repeat(32);
const bearer = (token: string) => `Bearer ${token}`;

describe("MCP_AUTH_TOKEN", () => {
  it.each<[string, Record<string, string>]>([
    ["0123456789abcdef", { "0123456789abcdef": "default" }],
    [` ${A}\n`, { [A]: "default" }],
    [`alice=${A}`, { [A]: "alice" }],
    [`alice=${A},bob=${B}`, { [A]: "alice", [B]: "bob" }],
    [`alice=${A},alice=${B}`, { [A]: "alice", [B]: "alice" }],
    [`alice:read+write=${A}`, { [A]: "alice" }],
    [`alice=${A}=${B}`, { [`${A}=${B}`]: "alice" }],
    ...["dG9rZW4tdGhhdC1pcy1iYXNlNjQ=", "dG9rZW4tdGhhdC1pcy1iYXNlNjQ=="].map(
      (whole): [string, Record<string, string>] => [whole, { [whole]: "default" }],
    ),
  ])("%s lets in %j and nobody else", async (text, expected) => {
    const table = parseTokens(text);
    for (const [token, subject] of Object.entries(expected))
      expect((await table.find(token))?.subject, token).toBe(subject);
    for (const other of [text, A, B, "short", "default", "alice", `alice=${A}`])
      if (!(other in expected) && other.trim() in expected === false)
        expect(await table.find(other), other).toBeUndefined();
  });

  it("gives a token the scopes it names, or all", async () => {
    const table = parseTokens(`alice:read+write=${A},bob=${B}`);
    expect((await table.find(A))?.scopes).toEqual(["read", "write"]);
    expect((await table.find(B))?.scopes).toBeUndefined();
  });

  it.each([
    "",
    " ",
    ",",
    "short",
    "fifteen-chars-x",
    `two words ${A}`,
    `alice=${A} b`,
    // One part that is no name=token never makes the whole one token.
    `alice=${A},${B}`,
    `alice=${A},bob=short`,
    `${A},${B}`,
    `alice=${"a".repeat(31)}`,
    `al.ice=${A}`,
    `${"n".repeat(65)}=${A}`,
  ])("%j is refused without being shown", (text) => {
    const refused = (): unknown => {
      try {
        return parseTokens(text);
      } catch (error) {
        return error;
      }
    };
    expect(refused()).toMatchObject({ code: "invalid_input" });
    const shown = String(refused()) + JSON.stringify(refused());
    for (const word of text.split(/[\s,=]+/).filter((part) => part.length > 5)) expect(shown).not.toContain(word);
  });

  it("keeps no token in the table", () => {
    expect(JSON.stringify(parseTokens(`alice=${A},bob=${B}`))).not.toMatch(/a{32}|b{32}/);
  });
});

describe("a bearer token", () => {
  const access = { mode: "tokens", tokens: parseTokens(`alice=${A},bob=${B},alice=${"c".repeat(40)}`) } as const;

  it("is its name's principal, and a rotation is the same principal", async () => {
    const alice = await authenticate(access, bearer(A));
    expect(alice).toEqual(makePrincipal("token", "token", "alice"));
    expect((await authenticate(access, bearer("c".repeat(40)))).id).toBe(alice.id);
    expect(await authenticate(access, `bearer ${B}`)).toEqual(tokenPrincipal("bob"));
    expect(alice.id).not.toContain("alice");
  });

  it.each([
    undefined,
    null,
    "",
    "Bearer",
    "Bearer ",
    A,
    `Basic ${A}`,
    `Bearer ${A}x`,
    `Bearer ${A.slice(1)}`,
    `Bearer ${A.toUpperCase()}`,
    `Bearer ${A} `,
    ` Bearer ${A}`,
    `Bearer  ${A}`,
    `Bearer ${A},${B}`,
    `Bearer alice=${A}`,
    `Bearer ${A}\n`,
    `Bearer ${"x".repeat(20_000)}`,
    `Token ${A}`,
    "Bearer \0",
  ])("%j is refused", async (authorization) => {
    await expect(authenticate(access, authorization)).rejects.toMatchObject({ code: "unauthenticated" });
  });

  it("is not asked for where anybody may call, and cannot be forged where the carrier says who calls", async () => {
    expect(await authenticate({ mode: "local" }, null)).toBe(LOCAL_PRINCIPAL);
    expect(await authenticate({ mode: "anonymous" }, bearer(A))).toBe(ANONYMOUS_PRINCIPAL);
    await expect(authenticate({ mode: "carrier" }, bearer(A))).rejects.toMatchObject({ code: "unauthenticated" });
    const carried = tokenPrincipal("alice");
    expect(await authenticate({ mode: "carrier" }, null, { carried })).toBe(carried);
  });

  it("that is minted has 256 random bits", () => {
    expect(mintToken()).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(mintToken()).not.toBe(mintToken());
  });
});

describe("a principal's id", () => {
  it("keeps issuer and subject apart", () => {
    const ids = [
      makePrincipal("oauth", "a", "bc"),
      makePrincipal("oauth", "ab", "c"),
      makePrincipal("oauth", "1:a", "b"),
      makePrincipal("oauth", "a:1", "b"),
    ].map(({ id }) => id);
    expect(new Set(ids).size).toBe(4);
    for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9_-]{24}$/);
  });
});
