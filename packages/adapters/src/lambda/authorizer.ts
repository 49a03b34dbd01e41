// Decides for a REST API who may pass: bearer tokens against those in a secret, or against an OAuth issuer. Knows neither routes nor
// where secrets are kept.
// From the parts of core alone: nothing here needs the rest, and it would be loaded with every cold start.

import { Refusals } from "@stateful-mcp/core/refusals";
import type { Logger, OAuth, Principal } from "@stateful-mcp/core/runtime";
import { parseTokens, type TokenTable } from "@stateful-mcp/core/tokens";

/** What the authorizer reads of a REST API's REQUEST authorizer event. */
export interface AuthorizerEvent {
  readonly methodArn: string;
  readonly headers?: Readonly<Record<string, string | undefined>> | null;
  readonly httpMethod?: string;
  readonly path?: string;
  readonly requestContext?: { readonly identity?: { readonly sourceIp?: string } | null } | null;
}

/** What a REST API takes as permission for the caller. */
export interface AuthorizerResult {
  readonly principalId: string;
  readonly policyDocument: {
    readonly Version: "2012-10-17";
    readonly Statement: readonly [
      { readonly Action: "execute-api:Invoke"; readonly Effect: "Allow"; readonly Resource: string },
    ];
  };
  /** What the server reads of a request with a static token. `scopes`: separated by spaces; absent: all. With OAuth it reads the token itself. */
  readonly context: { readonly name?: string; readonly scopes?: string };
}

/** What every authorizer is given. */
interface Watched {
  /** Told of callers that are turned away, and of a secret that is not as it should be. Default: no log. */
  readonly logger?: Pick<Logger, "error" | "warn">;
  /** Milliseconds. Default: this machine's time. */
  readonly now?: () => number;
}

/** Where the tokens are, and how long they are kept. */
export interface AuthorizerOptions extends Watched {
  /** The tokens as `MCP_AUTH_TOKEN` would have them. */
  readonly readSecret: () => Promise<string>;
  /** How long tokens are used without asking for the secret again: one taken out of it works at most this long. 0: never. */
  readonly cacheSeconds: number;
}

/** Decides over one request. Its errors are the gateway's answers: `Unauthorized` is 401, any other 500. */
export type Authorizer = (event: AuthorizerEvent) => Promise<AuthorizerResult>;

/** An unknown token may be a new one, so it makes the secret be read again, but a flood of them no more often than this. */
const REREAD_MS = 5_000;
const SHOWN_MAX_LENGTH = 100;

/** What a REST API turns into 401; any other error would be 500, and a policy that denies would be 403. */
const unauthorized = () => new Error("Unauthorized");

/** Lets bearer tokens pass for all methods and paths of the stage, and refuses everything else with 401. */
export function tokenAuthorizer(options: AuthorizerOptions): Authorizer {
  const tokens = new SecretTokens(options);
  return watched(options, async (event, token) => {
    const principal = await tokens.find(token);
    if (!principal) return "This token is not valid here.";
    const { subject: name, scopes } = principal;
    return { ...allow(event, name), context: { name, ...(scopes && { scopes: scopes.join(" ") }) } };
  });
}

/**
 * Lets valid access tokens of an issuer pass and refuses everything else with 401, so that strangers do not run the server's function
 * and its gateway can say where tokens are to be had. What a token allows is for the server, which reads it again.
 * A token that cannot be checked now is answered with 500: no caller is let in unchecked.
 */
export function oauthAuthorizer(oauth: Pick<OAuth, "verify">, options: Watched = {}): Authorizer {
  return watched(options, async (event, token) => {
    try {
      const { id } = await oauth.verify(token, new Set());
      return { ...allow(event, id), context: {} };
    } catch (error) {
      const { code, message } = error as { code?: unknown; message: string };
      if (code === "unauthenticated") return message;
      throw error;
    }
  });
}

/** Decides by a token; what comes out is what lets the caller pass, or why it may not, which is for the log alone. */
function watched(
  { logger, now = Date.now }: Watched,
  decide: (event: AuthorizerEvent, token: string) => Promise<AuthorizerResult | string>,
): Authorizer {
  const refusals = logger && new Refusals(logger, { now });
  return async (event) => {
    refusals?.look();
    const given = headerOf(event);
    // Only a bearer token is worth reading the secret for.
    const token = /^Bearer (\S+)$/i.exec(given ?? "")?.[1];
    const decision = token === undefined ? "The header holds no bearer token." : await decide(event, token);
    if (typeof decision !== "string") return decision;
    // Asking for the way in without a token is how every client begins.
    if (given !== undefined) refusals?.tell("token", { ...seenOf(event), why: decision });
    throw unauthorized();
  };
}

/** What a line about a refused request says of it. */
const seenOf = ({ httpMethod, path, requestContext }: AuthorizerEvent) => ({
  ...(httpMethod !== undefined && { method: httpMethod }),
  ...(path !== undefined && { path: path.slice(0, SHOWN_MAX_LENGTH) }),
  ...(requestContext?.identity?.sourceIp !== undefined && { address: requestContext.identity.sourceIp }),
});

const allow = (event: AuthorizerEvent, principalId: string): Omit<AuthorizerResult, "context"> => ({
  principalId,
  policyDocument: {
    Version: "2012-10-17",
    Statement: [{ Action: "execute-api:Invoke", Effect: "Allow", Resource: wholeStage(event.methodArn) }],
  },
});

function headerOf({ headers }: AuthorizerEvent): string | undefined {
  return Object.entries(headers ?? {}).find(([name]) => name.toLowerCase() === "authorization")?.[1];
}

/** `arn:…:api/stage/METHOD/path` for every method and path: a gateway that keeps the answer uses it for every later request of the caller. */
const wholeStage = (methodArn: string): string => `${methodArn.split("/").slice(0, 2).join("/")}/*/*`;

/** The secret's tokens, read when they are too old or do not know what they are asked for. */
class SecretTokens {
  readonly #options: AuthorizerOptions;
  readonly #now: () => number;
  #known: TokenTable | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  #faultTold = false;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  async find(token: string): Promise<Principal | undefined> {
    if (this.#olderThan(this.#options.cacheSeconds * 1000)) await this.#read();
    const found = await this.#known?.find(token);
    if (found || !this.#olderThan(REREAD_MS)) return found;
    await this.#read();
    return this.#known?.find(token);
  }

  #olderThan(ms: number): boolean {
    return this.#known === undefined || this.#now() - this.#readAt >= ms;
  }

  #read(): Promise<void> {
    this.#reading ??= this.#options
      .readSecret()
      .then((text) => {
        this.#take(text);
        this.#readAt = this.#now();
      })
      .finally(() => {
        this.#reading = undefined;
      });
    return this.#reading;
  }

  /** A slip in an edit of the secret must not lock every caller out, nor pass for one long token: the last good tokens stay. */
  #take(text: string): void {
    try {
      const tokens = parseTokens(text);
      // Once for each start: the secret is read again every few seconds.
      if (!this.#known && tokens.weak.length > 0)
        this.#options.logger?.warn({}, `The secret holds a token that can be guessed, of ${tokens.weak.join(", ")}`);
      this.#known = tokens;
      this.#faultTold = false;
    } catch (error) {
      if (!this.#known) throw error;
      if (!this.#faultTold)
        this.#options.logger?.error(
          { err: error },
          "The secret holds no valid tokens: the last good tokens stay valid",
        );
      this.#faultTold = true;
    }
  }
}
