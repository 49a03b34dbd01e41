// An OAuth authorization server on loopback, to see a server with OAuth work in a minute. Any name and password sign in, any
// client may register, and all is forgotten when it ends: for trying, and for nothing else.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const port = Number(process.env.PORT ?? 4000);
const issuer = `http://127.0.0.1:${port}`;
const scopes = ["read", "write"];

const provider = new Provider(issuer, {
  // With offline_access there are refresh tokens, which MCP clients ask for.
  scopes: ["openid", "offline_access", ...scopes],
  // For `curl`: a program without a user.
  clients: [
    {
      client_id: "agent",
      client_secret: "agent-secret",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      scope: scopes.join(" "),
    },
  ],
  features: {
    clientCredentials: { enabled: true },
    // For MCP clients, which introduce themselves and then send their user here.
    registration: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_context: unknown, resource: string) => ({
        scope: scopes.join(" "),
        audience: resource,
        accessTokenFormat: "jwt",
      }),
    },
  },
});

createServer(provider.callback()).listen(port, "127.0.0.1", () => {
  process.stdout.write(`Issues tokens to everybody: ${issuer}\n`);
});
