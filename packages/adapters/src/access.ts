// Turns configuration into who may call: static tokens, a file of them, an OAuth issuer, or several of these together.
import { readFileSync, statSync } from "node:fs";
import { type Access, AppError, type Config, createOAuth, parseTokens, type TokenTable } from "@stateful-mcp/core";

/** How often the file is looked at: a rotation counts within this time. */
const LOOK_EVERY_MS = 1_000;

/** Undefined: nothing is configured, so what applies without authentication is for the caller to decide. */
export function accessFromConfig(config: Config): Access | undefined {
  const tables = [
    ...(config.authToken === undefined ? [] : [named("MCP_AUTH_TOKEN", () => parseTokens(config.authToken ?? ""))]),
    ...(config.authTokenFile === undefined ? [] : [tokenFile(config.authTokenFile)]),
  ];
  const tokens = tables.length === 0 ? undefined : anyOf(tables);
  if (config.oauthIssuer !== undefined) {
    const oauth = named("STATEFUL_MCP_OAUTH_ISSUER", () =>
      createOAuth({
        issuer: config.oauthIssuer ?? "",
        audience: config.oauthAudience,
        clients: config.oauthClients,
        principalClaim: config.principalClaim,
        requireScopes: config.oauthRequireScopes,
      }),
    );
    return { mode: "oauth", oauth, tokens };
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
 * Tokens from a file, read again when it changes, so that tokens are rotated and revoked without a restart. A file that cannot
 * be read or understood lets nobody in: what it last said may be what it was changed to revoke.
 */
export function tokenFile(path: string): TokenTable {
  let table = read(path);
  let stamp = stampOf(path);
  let lookedAt = performance.now();
  return {
    find: (token) => {
      if (performance.now() - lookedAt > LOOK_EVERY_MS) {
        const now = stampOf(path);
        if (now !== stamp) table = read(path);
        stamp = now;
        lookedAt = performance.now();
      }
      return table.find(token);
    },
  };
}

function read(path: string): TokenTable {
  return named(`STATEFUL_MCP_AUTH_TOKEN_FILE ${path}`, () => parseTokens(readFileSync(path, "utf8")));
}

/** Replacing a file gives it another inode, writing to it another time or size. */
function stampOf(path: string): string {
  const { ino, mtimeMs, size } = named(`STATEFUL_MCP_AUTH_TOKEN_FILE ${path}`, () => statSync(path));
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
