// The authorizer as a Lambda function for OAuth: the issuer and what its tokens must name stand in the environment.
import { readConfig } from "@stateful-mcp/core/config";
import { createOAuth } from "@stateful-mcp/core/oauth";
import { oauthAuthorizer } from "../authorizer.ts";
import { authorizerLog } from "../authorizer-log.ts";

const { oauthIssuer: issuer, oauthAudience: audience, oauthClients: clients } = readConfig(process.env);
if (issuer === undefined) throw new Error("STATEFUL_MCP_OAUTH_ISSUER is missing; expected the issuer's https:// URL");

/** For a REST API's REQUEST authorizer. */
export const handler = oauthAuthorizer(createOAuth({ issuer, audience, clients }), { logger: authorizerLog });
