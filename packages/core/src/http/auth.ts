// Who a request comes from: static bearer tokens, or nobody in particular. Tokens are kept as hashes and compared in constant time.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { AppError } from "../errors.ts";
import { ANONYMOUS_PRINCIPAL, LOCAL_PRINCIPAL, makePrincipal, type Principal } from "../principal.ts";

/**
 * Who may call. `local`: everybody who reaches this server is the one local user. `anonymous`: everybody, and nobody knows whom.
 * `carrier`: whoever carries the request here has authenticated it and says as whom, as an API gateway's authorizer does.
 */
export type Access =
  | { readonly mode: "local" }
  | { readonly mode: "carrier" }
  | { readonly mode: "anonymous" }
  | { readonly mode: "tokens"; readonly tokens: TokenTable };

export interface TokenTable {
  readonly entries: readonly { readonly principal: Principal; readonly hash: Buffer }[];
}

const NAMED_TOKEN = /^([A-Za-z0-9_-]{1,64})=(.{32,})$/s;
const TOKEN_MIN_CHARACTERS = 16;
const TOKEN_ISSUER = "token";
const hashOf = (token: string): Buffer => createHash("sha256").update(token).digest();

/** 256 random bits, URL-safe: 43 characters. */
export const mintToken = (): string => randomBytes(32).toString("base64url");

/**
 * Reads `MCP_AUTH_TOKEN`: a comma-separated list of `name=token` when every part has that form with at least 32 characters
 * of token, else one token named `default`. A name given twice is one principal with two valid tokens: a rotation.
 * @throws AppError `invalid_input`, which never shows a token.
 */
export function parseTokens(text: string): TokenTable {
  const trimmed = text.trim();
  if (trimmed.length < TOKEN_MIN_CHARACTERS || /[\s]/.test(trimmed)) {
    throw new AppError(
      "invalid_input",
      `A token must have at least ${TOKEN_MIN_CHARACTERS} characters and no spaces. Make one with: stateful-mcp token`,
    );
  }
  const named = trimmed.split(",").map((part) => NAMED_TOKEN.exec(part));
  const pairs = named.every((match) => match !== null)
    ? named.map((match) => [match[1] as string, match[2] as string] as const)
    : [["default", trimmed] as const];
  return {
    entries: pairs.map(([name, token]) => ({
      principal: tokenPrincipal(name),
      hash: hashOf(token),
    })),
  };
}

/** The principal of a named token, wherever it was checked: the same name is the same principal on every deploy target. */
export const tokenPrincipal = (name: string, scopes?: readonly string[]): Principal =>
  makePrincipal("token", TOKEN_ISSUER, name, scopes);

/** @throws AppError `unauthenticated`. */
export function authenticate(access: Access, authorization: string | null | undefined, carried?: Principal): Principal {
  if (access.mode === "carrier") {
    if (carried) return carried;
    throw new AppError(
      "unauthenticated",
      "The request arrived without the identity that its carrier has to establish.",
    );
  }
  if (access.mode === "local") return LOCAL_PRINCIPAL;
  if (access.mode === "anonymous") return ANONYMOUS_PRINCIPAL;
  const token = /^Bearer ([^\s]+)$/i.exec(authorization ?? "")?.[1];
  if (token === undefined)
    throw new AppError("unauthenticated", "Send your token in the header: Authorization: Bearer <token>.");
  const hash = hashOf(token);
  let found: Principal | undefined;
  // Every entry is compared, so that the time says nothing about which one matched.
  for (const entry of access.tokens.entries) if (timingSafeEqual(entry.hash, hash)) found = entry.principal;
  if (!found) throw new AppError("unauthenticated", "This token is not valid here.");
  return found;
}

/** The `WWW-Authenticate` value of a 401 (RFC 6750, section 3). */
export const challengeFor = (authorization: string | null | undefined): string =>
  authorization ? 'Bearer realm="stateful-mcp", error="invalid_token"' : 'Bearer realm="stateful-mcp"';
