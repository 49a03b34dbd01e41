// Static bearer tokens: what MCP_AUTH_TOKEN says, kept as hashes and compared in constant time.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { AppError } from "../errors.ts";
import { makePrincipal, type Principal } from "../principal.ts";

/** Knows tokens. `find` is asked at every request, so a table may change while it is used: that is a rotation. */
export interface TokenTable {
  find(token: string): Principal | undefined | Promise<Principal | undefined>;
}

/** Tokens as one setting gives them. */
export interface Tokens extends TokenTable {
  /** Names of principals with a token that can be guessed, such as one of equal characters. */
  readonly weak: readonly string[];
}

interface Entry {
  readonly name: string;
  readonly scopes: readonly string[] | undefined;
  readonly token: string;
}

/** `name=token` or, with scopes, `name:read+write=token`. A scope may hold colons. */
const NAMED_TOKEN = /^([A-Za-z0-9_-]{1,64})(?::([A-Za-z0-9_.:/+-]{1,200}))?=(.+)$/s;
/** What a client can send in a header, without spaces, commas, colons, quotes and braces. */
const TOKEN = /^[!#-&(-+\--9;-_a-z|~]+$/;
const TOKEN_MIN_CHARACTERS = 16;
const NAMED_TOKEN_MIN_CHARACTERS = 32;
/** Below this a token is reported as weak. 16 hexadecimal digits have 64. */
const WEAK_BELOW_BITS = 45;
const TOKEN_ISSUER = "token";
const hashOf = (token: string): Buffer => createHash("sha256").update(token).digest();

/** 256 random bits, URL-safe: 43 characters. */
export const mintToken = (): string => randomBytes(32).toString("base64url");

/** The principal of a named token, wherever it was checked: the same name is the same principal on every deploy target. */
export const tokenPrincipal = (name: string, scopes?: readonly string[]): Principal =>
  makePrincipal("token", TOKEN_ISSUER, name, scopes);

/**
 * Reads `MCP_AUTH_TOKEN`: one token of at least 16 characters, whose principal is named `default`; or a list, separated by commas
 * or line ends, of `name=token` or `name:scope+scope=token` with at least 32 characters of token; or such a list as a JSON object
 * of names and tokens, as the AWS console writes secrets. A name given twice is one principal with two valid tokens: a rotation.
 * Without scopes a token may use every tool.
 * @throws AppError `invalid_input`, which never shows a token, when any part of the text is something else.
 */
export function parseTokens(text: string): Tokens {
  const list = entriesOf(text);
  const entries = list.map(({ name, scopes, token }) => ({
    principal: tokenPrincipal(name, scopes),
    hash: hashOf(token),
  }));
  return {
    weak: [...new Set(list.filter(({ token }) => bitsOf(token) < WEAK_BELOW_BITS).map(({ name }) => name))],
    find: (token) => {
      const hash = hashOf(token);
      let found: Principal | undefined;
      // Every entry is compared, so that the time says nothing about which one matched.
      for (const entry of entries) if (timingSafeEqual(entry.hash, hash)) found = entry.principal;
      return found;
    },
  };
}

/** What a client sends: the first token of a text that `parseTokens` takes. @throws AppError as `parseTokens` does. */
export const firstTokenOf = (text: string): string => entriesOf(text)[0]!.token;

function entriesOf(text: string): readonly [Entry, ...Entry[]] {
  const whole = text.replace(/^\uFEFF/, "").trim();
  if (whole.startsWith("{")) return entriesOfJson(whole);
  const parts = whole
    .split(/[,\n]/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const [first] = parts;
  if (parts.length === 1 && first !== undefined && !/[=:]./.test(first.replace(/={1,2}$/, ""))) return [single(first)];
  return checked(parts.map((part, index) => named(part, `Part ${index + 1} of ${parts.length}`)));
}

function entriesOfJson(text: string): readonly [Entry, ...Entry[]] {
  let content: Readonly<Record<string, unknown>>;
  try {
    content = JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw refused("It starts as a JSON object and is not valid JSON. Write pairs of names and tokens, or name=token.");
  }
  const pairs = Object.entries(content);
  const [, only] = pairs[0] ?? [];
  if (pairs.length === 1 && "MCP_AUTH_TOKEN" in content && typeof only === "string") return entriesOf(only);
  return checked(
    pairs.map(([key, token], index) =>
      named(typeof token === "string" ? `${key}=${token.trim()}` : key, `Part ${index + 1} of ${pairs.length}`),
    ),
  );
}

function single(token: string): Entry {
  if (token.length >= TOKEN_MIN_CHARACTERS && TOKEN.test(token)) return { name: "default", scopes: undefined, token };
  throw refused(
    `A token must have at least ${TOKEN_MIN_CHARACTERS} characters and no spaces, commas, colons, quotes or braces. Make one with: stateful-mcp token`,
  );
}

function named(part: string, which: string): Entry {
  const [, name, scopes, token = ""] = NAMED_TOKEN.exec(part) ?? [];
  if (name !== undefined && token.length >= NAMED_TOKEN_MIN_CHARACTERS && TOKEN.test(token))
    return { name, scopes: scopes?.split("+").filter((scope) => scope !== ""), token };
  throw refused(
    `${which} looks like a name with a token and is not one: expected name=token or name:scope+scope=token, with a token of at least ${NAMED_TOKEN_MIN_CHARACTERS} characters and no spaces, colons, quotes or braces. Make one with: stateful-mcp token <name>`,
  );
}

function checked(entries: readonly Entry[]): readonly [Entry, ...Entry[]] {
  const [first, ...others] = entries;
  if (first === undefined)
    throw refused(`It holds no token. Give one of at least ${TOKEN_MIN_CHARACTERS} characters: stateful-mcp token`);
  const holders = new Map(entries.map(({ token, name }) => [token, name]));
  if (entries.some(({ token, name }) => holders.get(token) !== name))
    throw refused("One token stands under two names. Give each name a token of its own.");
  return [first, ...others];
}

/** A generous guess at how many bits it takes to find the token: its length, and how many different characters it has. */
const bitsOf = (token: string): number => token.length * Math.log2(new Set(token).size);

const refused = (why: string): AppError => new AppError("invalid_input", why);
