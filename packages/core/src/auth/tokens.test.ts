// What MCP_AUTH_TOKEN may say.
import { describe, expect, it } from "vitest";
import { mintToken, parseTokens } from "./tokens.ts";

const A = "a".repeat(32);
const B = "b".repeat(32);

describe("tokens", () => {
  it("are a list when every part is a name with at least 32 characters", async () => {
    const tokens = parseTokens(`ci=${A},desk=${B}`);
    expect(await tokens.find(A)).toMatchObject({ subject: "ci" });
    expect(await tokens.find(B)).toMatchObject({ subject: "desk" });
    expect(await tokens.find(`ci=${A}`)).toBeUndefined();
  });

  it("are one token named default otherwise, whatever characters it has", async () => {
    const text = `ci=short,desk=${B}`;
    expect(await parseTokens(text).find(text)).toMatchObject({ subject: "default" });
  });

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

  it.each(["", "short", "has a space in it, surely", `ci=${A}, desk=with space ${B}`])(
    "refuse %j without showing it",
    (text) => {
      expect(() => parseTokens(text)).toThrow(/at least 16 characters and no spaces/);
      try {
        parseTokens(text);
      } catch (error) {
        if (text) expect(String(error)).not.toContain(text);
      }
    },
  );

  it("that are minted are long and never the same", () => {
    expect(mintToken()).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(mintToken()).not.toBe(mintToken());
  });
});
