// The authorizer as a Lambda function: its tokens are in the Secrets Manager secret that MCP_AUTH_TOKEN_SECRET names.
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { readConfig } from "@stateful-mcp/core/config";
import { tokenAuthorizer } from "../authorizer.ts";

const { authTokenSecret: SecretId, tokenCacheSeconds: cacheSeconds } = readConfig(process.env);
if (SecretId === undefined) throw new Error("MCP_AUTH_TOKEN_SECRET is missing; expected the name or ARN of a secret");
const say = (line: object): void => void process.stderr.write(`${JSON.stringify(line)}\n`);
const client = new SecretsManagerClient();

/** For a REST API's REQUEST authorizer. */
export const handler = tokenAuthorizer({
  cacheSeconds,
  // Not the server's logger, which would be most of what a cold start loads.
  logger: {
    warn: (_, message) => say({ level: "warn", message }),
    error: ({ err }, message) => say({ level: "error", message, reason: String(err) }),
  },
  readSecret: async () => {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId }));
    if (SecretString !== undefined) return SecretString;
    throw new Error(`The secret ${SecretId} holds no text; expected what MCP_AUTH_TOKEN would hold`);
  },
});
