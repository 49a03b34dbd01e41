// Decides from the configuration who may call: static tokens, a file of them, an OAuth issuer, several of these together, or what
// applies at this entrance where nothing is configured. Knows no routes.
import { readFileSync, statSync } from "node:fs";
import {
  type Access,
  AppError,
  type Config,
  createOAuth,
  type Logger,
  parseTokens,
  type Tokens,
  type TokenTable,
} from "@stateful-mcp/core/runtime";

/** How often the file is looked at: a rotation counts within this time. */
const LOOK_EVERY_MS = 1_000;

/** Where requests come in. */
export type Entrance = { readonly kind: "http"; readonly allowAnonymous: boolean } | { readonly kind: "lambda" };

/**
 * Who may call.
 * @throws AppError `invalid_input` when nothing says so and the entrance is open to others, or when two settings contradict each other.
 */
export function chooseAccess(config: Config, entrance: Entrance, logger: Logger): Access {
  if (entrance.kind === "lambda" && config.trustAuthorizer) return { mode: "carrier" };
  const { authToken, authTokenFile, oauthIssuer } = config;
  if (entrance.kind === "http" && entrance.allowAnonymous && (authToken ?? authTokenFile ?? oauthIssuer) !== undefined)
    throw new AppError("invalid_input", "Authentication is configured and --allow-anonymous given: drop one of them");
  const configured = accessFromConfig(config, logger);
  if (entrance.kind === "lambda") {
    if (configured) return configured;
    throw new AppError(
      "invalid_input",
      "No authentication is configured: set STATEFUL_MCP_TRUST_AUTHORIZER=on behind an authorizer, set MCP_AUTH_TOKEN or STATEFUL_MCP_OAUTH_ISSUER, or give createApp an access",
    );
  }
  if (configured) return configured;
  if (entrance.allowAnonymous) return { mode: "anonymous" };
  if (isLoopback(config.host)) return { mode: "local" };
  throw new AppError(
    "invalid_input",
    `Other machines can reach ${config.host}: set MCP_AUTH_TOKEN (\`stateful-mcp token\` mints one) or STATEFUL_MCP_OAUTH_ISSUER, or give --allow-anonymous if everybody may call`,
  );
}

/** True when only this machine can reach the address. A name other than localhost might be anything. */
const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);

/** Undefined: nothing is configured. */
function accessFromConfig(config: Config, logger: Logger): Access | undefined {
  const { authToken, authTokenFile } = config;
  const tables = [
    ...(authToken === undefined ? [] : [tokenList(authToken, logger)]),
    ...(authTokenFile === undefined ? [] : [tokenFile(authTokenFile, logger)]),
  ];
  const tokens = tables.length === 0 ? undefined : anyOf(tables);
  if (config.oauthIssuer !== undefined) {
    const oauth = named("STATEFUL_MCP_OAUTH_ISSUER", () =>
      createOAuth({
        issuer: config.oauthIssuer ?? "",
        audience: config.oauthAudience,
        clients: config.oauthClients,
        principalClaim: config.principalClaim,
        scopePrefix: config.oauthScopePrefix,
        requireScopes: config.oauthRequireScopes,
      }),
    );
    return { mode: "oauth", oauth, tokens, publicUrl: config.publicUrl };
  }
  return tokens && { mode: "tokens", tokens };
}

const anyOf = (tables: readonly TokenTable[]): TokenTable => ({
  find: async (token) => {
    for (const table of tables) {
      const principal = await table.find(token);
      if (principal) return principal;
    }
    return undefined;
  },
});

/**
 * Tokens from a file, read again when it changes, so that tokens are rotated and revoked without a restart. While the file cannot
 * be read, no token is valid. While it can be read and is not a list of tokens, the last good tokens stay: a slip in an edit must
 * neither lock every caller out nor pass for one long token. The log says either once.
 */
export function tokenFile(path: string, logger: Logger): TokenTable {
  const what = `STATEFUL_MCP_AUTH_TOKEN_FILE ${path}`;
  const read = () => named(what, () => parseTokens(readFileSync(path, "utf8")));
  let table: TokenTable | undefined = toldIfWeak(read(), what, logger);
  tellIfOpen(path, logger);
  let stamp = stampOf(path);
  let lookedAt = performance.now();
  let told = "";
  const look = () => {
    lookedAt = performance.now();
    try {
      const now = stampOf(path);
      if (now === stamp) return;
      stamp = now;
      table = read();
      told = "";
    } catch (error) {
      const readable = error instanceof AppError && error.code === "invalid_input";
      if (!readable) {
        table = undefined;
        stamp = "";
      }
      const message = readable
        ? "The token file is no list of tokens: the last good tokens stay valid"
        : "The token file cannot be read: no token is valid";
      if (told !== message) logger.error({ err: error }, message);
      told = message;
    }
  };
  return {
    find: (token) => {
      if (performance.now() - lookedAt > LOOK_EVERY_MS) look();
      // Where the file lies is not for callers.
      if (!table) throw new AppError("unavailable", "The tokens cannot be read now.");
      return table.find(token);
    },
  };
}

function toldIfWeak(tokens: Tokens, what: string, logger: Logger): TokenTable {
  if (tokens.weak.length > 0)
    logger.warn(
      {},
      `${what}: a token that can be guessed belongs to ${tokens.weak.join(", ")}; mint one with \`stateful-mcp token\``,
    );
  return tokens;
}

function tellIfOpen(path: string, logger: Logger): void {
  // Windows has access lists instead, and shows these bits for every file.
  if (process.platform === "win32") return;
  const { mode, uid } = statSync(path);
  if ((mode & 0o006) !== 0)
    logger.warn(
      { path },
      "The token file can be read or changed by every user of this machine: take that away with `chmod o-rw`",
    );
  if (uid !== 0 && uid !== process.geteuid?.())
    logger.warn(
      { path, uid },
      "The token file belongs to another user, who can let anybody in: make it this user's with `chown`",
    );
}

const tokenList = (text: string, logger: Logger): TokenTable =>
  toldIfWeak(
    named("MCP_AUTH_TOKEN", () => parseTokens(text)),
    "MCP_AUTH_TOKEN",
    logger,
  );

/** Replacing a file gives it another inode, writing to it another time or size. */
function stampOf(path: string): string {
  const { ino, mtimeMs, size } = named(path, () => statSync(path));
  return `${ino} ${mtimeMs} ${size}`;
}

/** An error that says which setting it is about. It never shows a token. */
function named<T>(what: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof AppError) throw new AppError(error.code, `${what}: ${error.message}`, { cause: error });
    const { code } = error as NodeJS.ErrnoException;
    throw new AppError("unavailable", `${what} cannot be read (${code ?? "unknown error"}).`, { cause: error });
  }
}
