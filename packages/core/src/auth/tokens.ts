// Static bearer tokens: what MCP_AUTH_TOKEN says, kept as hashes and compared in constant time.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { AppError } from "../errors.ts";
import { makePrincipal, type Principal } from "../principal.ts";

/** Knows tokens. `find` is asked at every request, so a table may change while it is used: that is a rotation. */
export interface TokenTable {
  find(token: string): Principal | undefined | Promise<Principal | undefined>;
}

/** `name=token` or, with scopes, `name:read+write=token`. */
const NAMED_TOKEN = /^([A-Za-z0-9_-]{1,64})(?::([A-Za-z0-9_.+-]{1,200}))?=(.{32,})$/s;
const TOKEN_MIN_CHARACTERS = 16;
const TOKEN_ISSUER = "token";
const hashOf = (token: string): Buffer => createHash("sha256").update(token).digest();

/** 256 random bits, URL-safe: 43 characters. */
export const mintToken = (): string => randomBytes(32).toString("base64url");

/** The principal of a named token, wherever it was checked: the same name is the same principal on every deploy target. */
export const tokenPrincipal = (name: string, scopes?: readonly string[]): Principal =>
  makePrincipal("token", TOKEN_ISSUER, name, scopes);

/**
 * Reads `MCP_AUTH_TOKEN`: a list, separated by commas or line ends, of `name=token` or `name:scope+scope=token` when every part
 * has that form with at least 32 characters of token; else one token named `default`. A name given twice is one principal with
 * two valid tokens: a rotation. Without scopes a token may use every tool.
 * @throws AppError `invalid_input`, which never shows a token.
 */
export function parseTokens(text: string): TokenTable {
  const parts = text
    .trim()
    .split(/[,\n]/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const named = parts.map((part) => NAMED_TOKEN.exec(part)).filter((match) => match !== null);
  const whole = text.trim();
  const single = named.length === 0 || named.length !== parts.length;
  if (
    parts.length === 0 ||
    /\s/.test(single ? whole : parts.join("")) ||
    (single && whole.length < TOKEN_MIN_CHARACTERS)
  ) {
    throw new AppError(
      "invalid_input",
      `A token must have at least ${TOKEN_MIN_CHARACTERS} characters and no spaces. Make one with: stateful-mcp token`,
    );
  }
  const entries = single
    ? [{ principal: tokenPrincipal("default"), hash: hashOf(whole) }]
    : named.map(([, name, scopes, token]) => ({
        principal: tokenPrincipal(String(name), scopes?.split("+")),
        hash: hashOf(String(token)),
      }));
  return {
    find: (token) => {
      const hash = hashOf(token);
      let found: Principal | undefined;
      // Every entry is compared, so that the time says nothing about which one matched.
      for (const entry of entries) if (timingSafeEqual(entry.hash, hash)) found = entry.principal;
      return found;
    },
  };
}
