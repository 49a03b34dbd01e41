import { describe, expect, it } from "vitest";
import { ANONYMOUS_PRINCIPAL, LOCAL_PRINCIPAL, makePrincipal } from "../principal.ts";
import { authenticate, challengeFor, mintToken, parseTokens, tokenPrincipal } from "./auth.ts";

const A = "a".repeat(32);
const B = "b".repeat(32);
const subjects = (text: string) => parseTokens(text).entries.map(({ principal }) => principal.subject);

describe("MCP_AUTH_TOKEN", () => {
  it.each([
    ["0123456789abcdef", ["default"]],
    [mintToken(), ["default"]],
    [` ${A}\n`, ["default"]],
    [`alice=${A}`, ["alice"]],
    [`alice=${A},bob=${B}`, ["alice", "bob"]],
    [`alice=${A},alice=${B}`, ["alice", "alice"]],
    // One part that is no name=token makes the whole one token.
    [`alice=${A},${B}`, ["default"]],
    [`alice=${A},bob=short`, ["default"]],
    [`${A},${B}`, ["default"]],
    [`alice=${"a".repeat(31)}`, ["default"]],
    [`al ice=${A}`.replace(" ", "."), ["default"]],
    ["dG9rZW4tdGhhdC1pcy1iYXNlNjQ=", ["default"]],
    ["dG9rZW4tdGhhdC1pcy1iYXNlNjQ==", ["default"]],
    [`${"n".repeat(65)}=${A}`, ["default"]],
    [`alice=${A}=${B}`, ["alice"]],
  ])("%s is %j", (text, names) => {
    expect(subjects(text)).toEqual(names);
  });

  it.each(["", " ", "short", "fifteen-chars-x", `two words ${A}`, `alice=${A}, bob=${B}`, `line\n${A}`])(
    "%j is refused without being shown",
    (text) => {
      const refused = (): unknown => {
        try {
          return parseTokens(text);
        } catch (error) {
          return error;
        }
      };
      expect(refused()).toMatchObject({ code: "invalid_input" });
      const shown = String(refused()) + JSON.stringify(refused());
      for (const word of text.split(/[\s,=]+/).filter((part) => part.length > 4)) expect(shown).not.toContain(word);
    },
  );

  it("keeps no token in the table", () => {
    expect(JSON.stringify(parseTokens(`alice=${A},bob=${B}`))).not.toMatch(/a{32}|b{32}/);
  });
});

describe("a bearer token", () => {
  const access = { mode: "tokens", tokens: parseTokens(`alice=${A},bob=${B},alice=${"c".repeat(40)}`) } as const;

  it("is its name's principal, and a rotation is the same principal", () => {
    expect(authenticate(access, `Bearer ${A}`)).toEqual(makePrincipal("token", "token", "alice"));
    expect(authenticate(access, `Bearer ${"c".repeat(40)}`).id).toBe(authenticate(access, `Bearer ${A}`).id);
    expect(authenticate(access, `bearer ${B}`)).toEqual(tokenPrincipal("bob"));
    expect(authenticate(access, `Bearer ${A}`).id).not.toContain("alice");
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
    `Token ${A}`,
    "Bearer \0",
  ])("%j is refused", (authorization) => {
    expect(() => authenticate(access, authorization)).toThrow(expect.objectContaining({ code: "unauthenticated" }));
  });

  it("is not asked for where anybody may call, and cannot be forged where the carrier says who calls", () => {
    expect(authenticate({ mode: "local" }, null)).toBe(LOCAL_PRINCIPAL);
    expect(authenticate({ mode: "anonymous" }, `Bearer ${A}`)).toBe(ANONYMOUS_PRINCIPAL);
    expect(() => authenticate({ mode: "carrier" }, `Bearer ${A}`)).toThrow();
    expect(authenticate({ mode: "carrier" }, null, tokenPrincipal("alice"))).toEqual(tokenPrincipal("alice"));
  });

  it("that is missing and one that is wrong are challenged as RFC 6750 says", () => {
    expect(challengeFor(undefined)).toBe('Bearer realm="stateful-mcp"');
    expect(challengeFor("Bearer x")).toBe('Bearer realm="stateful-mcp", error="invalid_token"');
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
