// What MCP_AUTH_TOKEN may say.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AppError } from "../errors.ts";
import { firstTokenOf, mintToken, parseTokens } from "./tokens.ts";

const A = "a".repeat(32);
const B = "b".repeat(32);

describe("tokens", () => {
  it("are a list when every part is a name with at least 32 characters", async () => {
    const tokens = parseTokens(`ci=${A},desk=${B}`);
    expect(await tokens.find(A)).toMatchObject({ subject: "ci" });
    expect(await tokens.find(B)).toMatchObject({ subject: "desk" });
    expect(await tokens.find(`ci=${A}`)).toBeUndefined();
  });

  it.each(["0123456789abcdef", "MDEyMzQ1Njc4OWFiY2RlZg==", "a+b/c-d.e_f~g!h@i#j$k", `${A}=`])(
    "are one token named default when it is no pair: %j",
    async (text) => {
      expect(await parseTokens(` ${text}\n`).find(text)).toMatchObject({ subject: "default" });
    },
  );

  it("may stand on lines, as in a file", async () => {
    expect(await parseTokens(`ci=${A}\ndesk=${B}\n`).find(B)).toMatchObject({ subject: "desk" });
  });

  it("of one name are one principal: a rotation", async () => {
    const tokens = parseTokens(`ci=${A},ci=${B}`);
    expect((await tokens.find(A))?.id).toBe((await tokens.find(B))?.id);
  });

  it("may be limited to scopes, without becoming another principal", async () => {
    const limited = await parseTokens(`ci:read=${A}`).find(A);
    expect(limited?.scopes).toEqual(["read"]);
    expect(limited?.id).toBe((await parseTokens(`ci=${B},x=${A}`).find(B))?.id);
    expect((await parseTokens(`ci:read+write=${A}`).find(A))?.scopes).toEqual(["read", "write"]);
  });

  it("may have scopes that hold colons, dots and slashes", async () => {
    const table = parseTokens(`bot:items:read=${A},ops:orders-api/write+items:write=${B}`);
    expect(await table.find(A)).toMatchObject({ subject: "bot", scopes: ["items:read"] });
    expect(await table.find(B)).toMatchObject({ subject: "ops", scopes: ["orders-api/write", "items:write"] });
    expect(await table.find(`bot:items:read=${A}`)).toBeUndefined();
  });

  it("may be a JSON object, as the AWS console writes a secret of keys and values", async () => {
    const table = parseTokens(JSON.stringify({ alice: A, "bot:items:read": B }));
    expect(await table.find(A)).toMatchObject({ subject: "alice" });
    expect(await table.find(B)).toMatchObject({ subject: "bot", scopes: ["items:read"] });
    expect(await parseTokens(JSON.stringify({ MCP_AUTH_TOKEN: `alice=${A}` })).find(A)).toMatchObject({
      subject: "alice",
    });
  });

  const SECRET = "canary-canary-canary-canary-canary";
  it.each([
    ["nothing", "", /at least 16 characters/],
    ["too few characters", "short", /at least 16 characters/],
    ["spaces", "canary canary canary", /at least 16 characters and no spaces/],
    ["quotes", `"${SECRET}"`, /no spaces, commas, colons, quotes or braces/],
    ["a colon in place of the equals sign", `alice:${SECRET}`, /looks like a name with a token/],
    ["one pair that is too short", "alice=canary", /at least 32 characters/],
    ["a list with a pair that is too short", `ci=${A},desk=canary`, /part 2 of 2 .*at least 32 characters/i],
    ["a list with a part without a name", `ci=${A},${SECRET}`, /part 2 of 2/i],
    ["a list without names", `${SECRET},${SECRET}x`, /part 1 of 2/i],
    ["a name that is none", `al ice=${SECRET}`, /looks like a name with a token/],
    ["an empty scope", `alice:=${SECRET}`, /looks like a name with a token/],
    ["a token with a space", `ci=${A}, desk=with space ${SECRET}`, /part 2 of 2/i],
    ["one token under two names", `ci=${SECRET},desk=${SECRET}`, /two names/],
    ["a JSON object cut short", `{"alice": "${SECRET}"`, /not valid JSON/],
    ["a JSON object of lists", `{"alice": ["${SECRET}"]}`, /part 1 of 1/i],
    ["an empty JSON object", "{}", /at least 16 characters/],
  ])("refuse %s in one line that shows none of it", (_, text, message) => {
    expect(() => parseTokens(text)).toThrow(message);
    try {
      parseTokens(text);
    } catch (error) {
      expect(String(error)).not.toMatch(/canary|\n/);
    }
  });

  it("are never one token when a part of a list is wrong (property)", () => {
    const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}(:[a-z:.]{1,10})?$/);
    const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,50}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(name, token), { minLength: 1, maxLength: 4 }), (pairs) => {
        const text = pairs.map(([one, secret]) => `${one}=${secret}`).join(",");
        try {
          expect(parseTokens(text).find(text)).toBeUndefined();
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
        }
      }),
    );
  });

  it("that repeat themselves are reported by the name of their holder", () => {
    expect(parseTokens(`ci=${A},desk=${mintToken()}`).weak).toEqual(["ci"]);
    expect(parseTokens("aaaaaaaaaaaaaaaa").weak).toEqual(["default"]);
    expect(parseTokens("0123456789abcdef").weak).toEqual([]);
  });

  it.each([
    [A, A],
    [`alice=${A},bob=${B}`, A],
    [`alice:read=${A}`, A],
    [`bot:items:read+write=${B}\n`, B],
    [`{"alice":"${A}"}`, A],
  ])("show their first one to a client: %j", (text, token) => {
    expect(firstTokenOf(text)).toBe(token);
    expect(parseTokens(text).find(firstTokenOf(text))).toBeDefined();
  });

  it("that are minted are long and never the same", () => {
    expect(mintToken()).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(mintToken()).not.toBe(mintToken());
  });
});
