// An OAuth 2.1 resource server's side of a token: is this JWT from our issuer, for us, valid now, and for which scopes. Keys come
// from the issuer's JWKS; without them no caller gets in. jose is loaded with the first token: most servers never see one. Knows no routes.
import type { JWTPayload, JWTVerifyGetKey } from "jose";
import { type Clock, systemClock } from "../clock.ts";
import { AppError } from "../errors.ts";
import { makePrincipal, type Principal } from "../principal.ts";

/** Which access tokens are accepted. `audience` or `clients` has to be given. */
export interface OAuthOptions {
  /** The authorization server's issuer URL, exactly as its tokens name it. */
  issuer: string;
  /** What `aud` must contain: usually this server's URL. */
  audience?: string | undefined;
  /** `client_id` or `azp` values that may call. For issuers whose access tokens carry no audience, such as Amazon Cognito. */
  clients?: readonly string[] | undefined;
  /** The claim that identifies whose sessions these are. Default `sub`. A team's shared claim makes it one principal. */
  principalClaim?: string | undefined;
  /**
   * What stands before each of this server's scopes in a token, such as `orders-api/` (Amazon Cognito) or `https://api.example/`.
   * Default: nothing. With a prefix, scopes without it are not ours.
   */
  scopePrefix?: string | undefined;
  /**
   * Whether a token may do only what its scopes name. Default true. With false, a token that has no claim of scopes may use the tools
   * of an ordinary caller; scopes for items and for operators have to be named even then.
   */
  requireScopes?: boolean | undefined;
  clock?: Clock;
}

/** Checks the access tokens of one issuer. */
export interface OAuth {
  readonly options: OAuthOptions;
  /** @throws AppError `unauthenticated`, or `unavailable` while the issuer's keys cannot be had. */
  verify(token: string, knownScopes: ReadonlySet<string>): Promise<Principal>;
  /** The issuer's own metadata document. @throws AppError `unavailable`. */
  metadata(): Promise<Record<string, unknown>>;
}

/** Signatures with a key pair only: a shared secret or `none` would let a caller sign for itself. */
const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];
const TYPES = new Set(["jwt", "at+jwt", "application/at+jwt"]);
/** Seconds by which clocks may differ. */
const TOLERANCE_SECONDS = 5;
const FETCH_TIMEOUT_MS = 3_000;
/** Documents of issuers have some kilobytes; a larger one is not read to its end. */
const DOCUMENT_MAX_BYTES = 524_288;
const KEYS_KEPT_MS = 600_000;
const KEYS_COOLDOWN_MS = 30_000;
const METADATA_KEPT_MS = 3_600_000;
const METADATA_COOLDOWN_MS = 5_000;

/**
 * Accepts the access tokens of an OAuth issuer, whose keys are fetched when the first token comes.
 * @throws AppError `invalid_input` for an issuer that is no https:// URL, or without `audience` and `clients`.
 */
export function createOAuth(options: OAuthOptions): OAuth {
  const { issuer, audience, clients, clock = systemClock } = options;
  if (!isSecureUrl(issuer)) {
    throw new AppError(
      "invalid_input",
      `The OAuth issuer must be an https:// URL (http:// only on localhost); ${issuer} was given.`,
    );
  }
  if (audience === undefined && !clients?.length) {
    throw new AppError(
      "invalid_input",
      "With an OAuth issuer, say for whom its tokens must be: an audience, or the clients that may call.",
    );
  }
  const metadata = kept(() => discover(issuer), clock);
  let keys: { uri: string; get: JWTVerifyGetKey } | undefined;
  const keysOf = async (): Promise<JWTVerifyGetKey> => {
    const { jwks_uri: uri } = await metadata();
    if (typeof uri !== "string" || !isSecureUrl(uri)) throw unreachable(issuer, "it names no jwks_uri");
    if (keys?.uri !== uri) {
      const { createRemoteJWKSet, customFetch } = await import("./jose.ts");
      const settings = {
        timeoutDuration: FETCH_TIMEOUT_MS,
        cacheMaxAge: KEYS_KEPT_MS,
        cooldownDuration: KEYS_COOLDOWN_MS,
        [customFetch]: pausingFetch(clock),
      };
      keys = { uri, get: createRemoteJWKSet(new URL(uri), settings) };
    }
    return keys.get;
  };
  return {
    options,
    metadata,
    verify: async (token, knownScopes) => {
      const { payload, headerType } = await verifyJwt(token, await keysOf(), options, clock);
      checkMeantForUs(payload, headerType, options);
      const claim = options.principalClaim ?? "sub";
      const owner = payload[claim];
      if (typeof owner !== "string" || owner === "") throw refused(`it has no claim ${claim}`);
      const subject = payload.sub ?? owner;
      const scopes = grantedScopes(payload, knownScopes, options);
      return { ...makePrincipal("oauth", issuer, owner, scopes), subject };
    },
  };
}

async function verifyJwt(
  token: string,
  keys: JWTVerifyGetKey,
  options: OAuthOptions,
  clock: Clock,
): Promise<{ payload: JWTPayload; headerType: string | undefined }> {
  const { errors, jwtVerify } = await import("./jose.ts");
  try {
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      issuer: options.issuer,
      ...(options.audience !== undefined && { audience: options.audience }),
      algorithms: ALGORITHMS,
      clockTolerance: TOLERANCE_SECONDS,
      requiredClaims: ["exp", "sub"],
      currentDate: new Date(clock.now()),
    });
    // A token of another kind that the same issuer signs (an ID or logout token, say) is not for calling.
    const type: unknown = protectedHeader.typ;
    const headerType = typeof type === "string" ? type.toLowerCase() : undefined;
    if (type !== undefined && (headerType === undefined || !TYPES.has(headerType)))
      throw refused(`it is a ${String(type).slice(0, 20)}, not an access token`);
    return { payload, headerType };
  } catch (error) {
    if (error instanceof AppError) throw error;
    if (error instanceof errors.JWTExpired) throw refused("it has expired");
    if (error instanceof errors.JWTClaimValidationFailed) throw refused(`its claim ${error.claim} does not fit`);
    if (
      error instanceof errors.JWKSTimeout ||
      error instanceof errors.JWKSInvalid ||
      !(error instanceof errors.JOSEError)
    )
      throw unreachable(options.issuer, "its keys cannot be had", error);
    // Malformed, signed by another key, or with an algorithm that is not allowed: no more is said to the one who tries.
    if (error.code === "ERR_JOSE_GENERIC") throw unreachable(options.issuer, "its keys cannot be had", error);
    throw refused("its signature is not valid");
  }
}

/**
 * Of what an issuer signs, only access tokens for this server count. Kinds are told apart by what issuers say of themselves: the header
 * `typ` (RFC 9068), `token_use` (Amazon Cognito), the claim `typ` (Keycloak).
 */
function checkMeantForUs(
  payload: JWTPayload,
  headerType: string | undefined,
  { audience, clients }: OAuthOptions,
): void {
  const { token_use: use, typ: kind, client_id: clientId, azp, aud, cnf } = payload;
  const isOther = (said: unknown, access: string) => said !== undefined && said !== access;
  if (isOther(use, "access") || isOther(kind, "Bearer") || payload.nonce !== undefined || payload.at_hash !== undefined)
    throw refused("it is not an access token");
  // Only a proof of its key, which is not asked for here, would show that the right client sends it (RFC 7800).
  if (cnf !== undefined) throw refused("it is bound to a key of its client, which this server cannot check");
  if (!clients?.length) return;
  const client = clientId ?? azp;
  if (typeof client !== "string" || !clients.includes(client)) throw refused("its client may not call this server");
  if (audience !== undefined) return;
  // Without an audience, nothing but its kind keeps an ID token of the same client out: that is for the client itself.
  if ([aud].flat().length === 1 && [aud].flat()[0] === client) throw refused("it is for its client, not for a server");
  const saysAccess = use === "access" || kind === "Bearer" || headerType?.endsWith("at+jwt");
  if (!saysAccess) throw refused("it does not say that it is an access token");
}

/** Tools of an ordinary caller need none of these. */
const isForNamedOnly = (scope: string): boolean => scope.startsWith("items:") || scope.startsWith("console:");

/** Only exact names count: a scope that looks like one of ours may be another server's. */
function grantedScopes(
  payload: JWTPayload,
  known: ReadonlySet<string>,
  { scopePrefix = "", requireScopes = true }: OAuthOptions,
): readonly string[] {
  const claim = payload.scope === undefined ? payload.scp : payload.scope;
  if (claim === undefined && !requireScopes) return [...known].filter((scope) => !isForNamedOnly(scope));
  const given: unknown = typeof claim === "string" ? claim.split(" ") : claim === undefined ? [] : claim;
  if (!Array.isArray(given) || !given.every((scope) => typeof scope === "string"))
    throw refused("its claim of scopes is neither a text nor a list of texts");
  return given
    .filter((scope: string) => scope.startsWith(scopePrefix))
    .map((scope: string) => scope.slice(scopePrefix.length))
    .filter((scope: string) => known.has(scope));
}

/** `fetch` that reads a body to its end, within the time of its signal, and no further than a document of an issuer can reach. */
async function boundedFetch(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    // Leaving the loop cancels the rest.
    if (bytes > DOCUMENT_MAX_BYTES) throw new Error(`${url} has more than ${DOCUMENT_MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status: response.status, headers: response.headers });
}

/** `boundedFetch` that does not ask again at once after a failure, so that tokens cannot make requests of their own number. */
function pausingFetch(clock: Clock): typeof boundedFetch {
  let failure: Error | undefined;
  let until = 0;
  return async (url, init) => {
    if (failure && clock.now() < until) throw failure;
    failure = undefined;
    try {
      const response = await boundedFetch(url, init);
      if (response.ok) return response;
      throw new Error(`${url} was answered with status ${response.status}`);
    } catch (error) {
      failure = error as Error;
      until = clock.now() + METADATA_COOLDOWN_MS;
      throw error;
    }
  };
}

/** RFC 8414 and OpenID Connect Discovery: the documents differ in place, not in what is needed of them. */
async function discover(issuer: string): Promise<Record<string, unknown>> {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, "");
  const places = [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
  ];
  let last: unknown;
  for (const place of places) {
    try {
      const response = await boundedFetch(place, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS), redirect: "error" });
      if (!response.ok) continue;
      const document = (await response.json()) as Record<string, unknown>;
      if (document.issuer === issuer) return document;
      last = new Error(`${place} is of the issuer ${JSON.stringify(document.issuer)}`);
    } catch (error) {
      last = error;
    }
  }
  throw unreachable(issuer, "its metadata cannot be had", last);
}

/** Keeps a document, shares a fetch under way, and does not ask again at once after a failure. */
function kept<T>(fetchOne: () => Promise<T>, clock: Clock): () => Promise<T> {
  let value: Promise<T> | undefined;
  let until = 0;
  return () => {
    if (value && clock.now() < until) return value;
    until = clock.now() + METADATA_KEPT_MS;
    value = fetchOne();
    value.catch(() => {
      until = clock.now() + METADATA_COOLDOWN_MS;
    });
    return value;
  };
}

function isSecureUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === "https:" || (protocol === "http:" && ["localhost", "127.0.0.1", "[::1]"].includes(hostname));
}

const refused = (why: string): AppError =>
  new AppError("unauthenticated", `This token is not valid here: ${why}. Get a new one.`);

const unreachable = (issuer: string, why: string, cause?: unknown): AppError =>
  new AppError("unavailable", `Tokens of ${issuer} cannot be checked right now: ${why}.`, {
    retryAfterSeconds: 5,
    cause,
  });
