// What a person sees who opens the server in a browser: what it is and how a client connects. Open to everybody who reaches the
// server, so it tells nothing of tools or state.
import type { Hono } from "hono";
import type { Access } from "../auth/access.ts";
import { entryNameOf } from "../names.ts";
import type { Bindings } from "./caller-of-request.ts";
import { escaped, STYLE } from "./docs-page.ts";

export interface WelcomeOptions {
  readonly service: string;
  readonly version: string;
  readonly access: Access;
}

/** `GET /` and `GET /mcp` for browsers: programs that ask for `/` find nothing there, and MCP's own GET asks for a stream of events. */
export function serveWelcome(app: Hono<Bindings>, options: WelcomeOptions): void {
  for (const path of ["/", "/mcp"])
    app.get(path, async (c, next) => {
      const accept = c.req.header("Accept") ?? "";
      if (!accept.includes("text/html") || accept.includes("text/event-stream")) return next();
      c.header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
      // The same address answers clients with something else.
      c.header("Vary", "Accept");
      return c.html(welcomePage(new URL(c.req.url).origin, options));
    });
}

function welcomePage(origin: string, { service, version, access }: WelcomeOptions): string {
  const url = `${origin}/mcp`;
  const open = access.mode === "local" || access.mode === "anonymous";
  const header = open ? "" : ' --header "Authorization: Bearer <token>"';
  const name = entryNameOf(service);
  const entry = { [name]: { type: "http", url, ...(!open && { headers: { Authorization: "Bearer <token>" } }) } };
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(service)}</title><style>${STYLE}</style></head>
<body>
<h1>${escaped(service)} ${escaped(version)}</h1>
<p>This is a server for <a href="https://modelcontextprotocol.io">MCP</a> clients, such as Claude, Cursor or VS Code. Give your client
this address: <code>${escaped(url)}</code></p>
<table>
<tr><th>Claude Code</th><td><code>claude mcp add --transport http ${escaped(name)} ${escaped(url + header)}</code></td></tr>
<tr><th>A client with a file</th><td><code>${escaped(JSON.stringify({ mcpServers: entry }))}</code></td></tr>
</table>
<p>${open ? "It asks for no token." : "It asks for a bearer token, which its operator gives you."}</p>
<p>For programs without MCP: <a href="/docs">each tool as a route</a>, <a href="/openapi.json">openapi.json</a>. For
operators: <a href="/readyz">is it ready?</a></p>
</body>
</html>
`;
}
