// Who a request comes from, and how one that may not pass is told what to do (RFC 6750, RFC 9728).
import { AppError } from "../errors.ts";
import { ANONYMOUS_PRINCIPAL, LOCAL_PRINCIPAL, type Principal } from "../principal.ts";
import type { OAuth } from "./oauth.ts";
import type { TokenTable } from "./tokens.ts";

/**
 * Who may call. `local`: everybody who reaches this server is the one local user. `anonymous`: everybody, without a name.
 * `tokens`: holders of a static token. `oauth`: holders of an issuer's access token, and of static ones where given.
 * `carrier`: the part that carries the request here has authenticated it and says as whom, as an API gateway's authorizer does.
 */
export type Access =
  | { readonly mode: "local" }
  | { readonly mode: "anonymous" }
  | { readonly mode: "carrier" }
  | { readonly mode: "tokens"; readonly tokens: TokenTable }
  | {
      readonly mode: "oauth";
      readonly oauth: OAuth;
      readonly tokens?: TokenTable | undefined;
      /** The address under which clients reach the server, such as `https://mcp.example.com`. Default: what they call it by. */
      readonly publicUrl?: string | undefined;
    };

/**
 * Finds out who sent a request, from its `Authorization` header.
 * @throws AppError `unauthenticated`, or `unavailable` when a token cannot be checked: no caller is let in unchecked.
 */
export async function authenticate(
  access: Access,
  authorization: string | null | undefined,
  options: { carried?: Principal | undefined; knownScopes?: ReadonlySet<string> } = {},
): Promise<Principal> {
  if (access.mode === "local") return LOCAL_PRINCIPAL;
  if (access.mode === "anonymous") return ANONYMOUS_PRINCIPAL;
  if (access.mode === "carrier") {
    if (options.carried) return options.carried;
    throw new AppError(
      "unauthenticated",
      "The request arrived without the identity that its carrier has to establish.",
    );
  }
  const token = /^Bearer ([^\s]{1,16384})$/i.exec(authorization ?? "")?.[1];
  if (token === undefined)
    throw new AppError("unauthenticated", "Send your token in the header: Authorization: Bearer <token>.");
  const principal = await access.tokens?.find(token);
  if (principal) return principal;
  if (access.mode === "oauth") return access.oauth.verify(token, options.knownScopes ?? new Set());
  throw new AppError("unauthenticated", "This token is not valid here.");
}

/** The URL under which this server is known to clients, where the operator has said it: what its tokens are for. */
export function configuredResourceUrl(access: Access): URL | undefined {
  if (access.mode !== "oauth") return undefined;
  return resourceUrlFrom(access.oauth.options.audience, access.publicUrl);
}

function resourceUrlFrom(audience: string | undefined, publicUrl: string | undefined): URL | undefined {
  if (audience !== undefined && /^https?:/.test(audience) && URL.canParse(audience)) return new URL(audience);
  return publicUrl === undefined ? undefined : new URL("/mcp", publicUrl);
}

/** The same; without a configured one, by what the client calls the server. */
export const resourceUrl = (access: Access, request: Request): URL =>
  configuredResourceUrl(access) ?? new URL("/mcp", request.url);

const REALM = 'Bearer realm="stateful-mcp"';
const metadataAt = (resource: URL): string => `resource_metadata="${metadataUrl(resource)}"`;

/** Where a resource says what it is to clients: before its path stands a well-known one (RFC 9728, section 3.1). */
export function metadataUrl(resource: URL): string {
  const url = new URL(resource);
  url.pathname = `/.well-known/oauth-protected-resource${resource.pathname.replace(/\/$/, "")}`;
  url.hash = "";
  return url.href;
}

/**
 * The `WWW-Authenticate` header with which a front door answers 401 in the server's place: with `publicUrl`, the server's own
 * address, for OAuth (RFC 9728); without it for static tokens.
 */
export function frontDoorChallenge({ audience, publicUrl }: { audience?: string; publicUrl?: string } = {}): string {
  const resource = publicUrl === undefined ? undefined : resourceUrlFrom(audience, publicUrl);
  return resource ? `${REALM}, ${metadataAt(resource)}` : REALM;
}

/** The `WWW-Authenticate` header of a 401 or a 403; undefined for other errors. */
export function challengeFor(error: AppError, access: Access, request: Request): string | undefined {
  const parts = [REALM];
  if (access.mode === "oauth") parts.push(metadataAt(resourceUrl(access, request)));
  if (error.code === "unauthenticated") {
    if (request.headers.has("authorization")) parts.push('error="invalid_token"');
    return parts.join(", ");
  }
  const scope = error.code === "forbidden" ? error.details?.scope : undefined;
  if (typeof scope !== "string") return undefined;
  return [...parts, 'error="insufficient_scope"', `scope="${scope}"`].join(", ");
}
