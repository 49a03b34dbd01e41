// The authorizer as a Lambda function: its tokens are in the Secrets Manager secret that MCP_AUTH_TOKEN_SECRET names.
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { readConfig } from "@stateful-mcp/core/config";
import { tokenAuthorizer } from "../authorizer.ts";
import { authorizerLog } from "../authorizer-log.ts";

const { authTokenSecret: SecretId, tokenCacheSeconds: cacheSeconds } = readConfig(process.env);
if (SecretId === undefined) throw new Error("MCP_AUTH_TOKEN_SECRET is missing; expected the name or ARN of a secret");
const client = new SecretsManagerClient();

/** For a REST API's REQUEST authorizer. */
export const handler = tokenAuthorizer({
  cacheSeconds,
  logger: authorizerLog,
  readSecret: async () => {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId }));
    if (SecretString !== undefined) return SecretString;
    throw new Error(`The secret ${SecretId} holds no text; expected what MCP_AUTH_TOKEN would hold`);
  },
});
