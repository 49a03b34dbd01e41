// OAuth discovery: where a client learns which authorization server's tokens are accepted here.
import type { Hono } from "hono";
import { type Access, configuredResourceUrl, resourceUrl } from "../auth/access.ts";
import type { Bindings, RequestContext } from "./caller-of-request.ts";

/** RFC 9728: where a client learns whose tokens are accepted here. */
export function serveMetadata(
  app: Hono<Bindings>,
  access: Access & { mode: "oauth" },
  scopes: ReadonlySet<string>,
): void {
  const document = (c: RequestContext) => {
    const resource = resourceUrl(access, c.req.raw).href;
    const body = {
      resource,
      authorization_servers: [access.oauth.options.issuer],
      scopes_supported: [...scopes],
      bearer_methods_supported: ["header"],
      resource_name: "stateful-mcp",
    };
    // A cache must not hand out what another client's Host has made of it.
    const kept = configuredResourceUrl(access) ? "public, max-age=300" : "no-store";
    // Any page may read what every client has to know.
    return c.json(body, 200, { "Access-Control-Allow-Origin": "*", "Cache-Control": kept });
  };
  app.get("/.well-known/oauth-protected-resource", document);
  app.get("/.well-known/oauth-protected-resource/*", document);
  app.get("/.well-known/oauth-authorization-server", async (c) =>
    c.json(await access.oauth.metadata(), 200, { "Access-Control-Allow-Origin": "*" }),
  );
}
