// Which settings change nothing where they are set: a person who sets one expects something of it, and is told. Reads the map it is
// given and never the process.
import { type Config, SETTINGS } from "./settings.ts";

type Key = keyof typeof SETTINGS;

/** Through what calls come in; `command` serves none. */
export type Carrier = "stdio" | "http" | "lambda" | "command";

interface Rule {
  readonly settings: readonly Key[];
  readonly needs: string;
  readonly met: (config: Config, carrier: Carrier) => boolean;
}

const RULES: readonly Rule[] = [
  {
    settings: ["endpoint", "blobBucket"],
    needs: "MCP_STATE_BACKEND=dynamodb",
    met: ({ backend }) => backend === "dynamodb",
  },
  {
    settings: ["table"],
    needs: "MCP_STATE_BACKEND=dynamodb",
    met: ({ backend }) => backend !== "memory",
  },
  {
    settings: ["itemScan"],
    needs: "DYNAMODB_TABLE_NAME",
    met: ({ itemTables }) => itemTables.length > 0,
  },
  {
    settings: ["blobMaxBytes"],
    needs: "STATEFUL_MCP_BLOB_BUCKET or the local backend",
    met: ({ backend, blobBucket }) => backend === "local" || (backend === "dynamodb" && blobBucket !== undefined),
  },
  {
    settings: [
      "oauthAudience",
      "oauthClients",
      "oauthScopePrefix",
      "oauthRequireScopes",
      "publicUrl",
      "principalClaim",
    ],
    needs: "STATEFUL_MCP_OAUTH_ISSUER",
    met: ({ oauthIssuer }) => oauthIssuer !== undefined,
  },
  {
    settings: [
      "authToken",
      "authTokenFile",
      "oauthIssuer",
      "allowedHosts",
      "allowedOrigins",
      "trustedProxies",
      "console",
      "metrics",
      "anonymousCallsPerMinute",
      "anonymousSessionsPerHour",
      "anonymousTasksPerHour",
      "anonymousBytesPerHour",
      "bodyMaxBytes",
    ],
    needs: "calls over HTTP, as `serve` takes them",
    met: (_, carrier) => carrier !== "stdio",
  },
  {
    settings: ["authTokenSecret", "tokenCacheSeconds", "trustAuthorizer", "taskQueueUrl"],
    needs: "AWS Lambda",
    met: (_, carrier) => carrier === "lambda" || carrier === "command",
  },
];

/** One sentence for each setting that the environment gives and that changes nothing here. */
export function settingsWithoutEffect(
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
  carrier: Carrier,
): string[] {
  const given = (name: string | undefined) => name !== undefined && (environment[name]?.trim() ?? "") !== "";
  return RULES.filter(({ met }) => !met(config, carrier)).flatMap(({ settings, needs }) =>
    settings.flatMap((key) => {
      const { name, alias }: { name: string; alias?: string } = SETTINGS[key];
      const used = given(name) ? name : given(alias) ? alias : undefined;
      return used === undefined ? [] : [`${used} has no effect here: it needs ${needs}`];
    }),
  );
}
