// Serves the console, a page for a person in a browser, beside an app's own routes. Its files hold no data: the page asks the app's
// routes, which check each of its calls. Knows nothing of tools or state.
import { readFile } from "node:fs/promises";
import type { App } from "@stateful-mcp/core";

type Fetch = App["fetch"];

const TYPES = { "index.html": "text/html", "console.css": "text/css", "console.js": "text/javascript" };

const HEADERS = {
  // Stored text stays text even where the page has a fault: nothing inline runs, and no string becomes markup.
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  // The files are small, and a newer version of the server must not meet an older page.
  "Cache-Control": "no-store",
};

/** `fetch` with the files of `directory` under `/console`, for GET and HEAD. All else, unknown names too, is `fetch`'s own. */
export async function withConsole(fetch: Fetch, directory: URL): Promise<Fetch> {
  const files = new Map<string, { type: string; body: string }>();
  for (const [name, type] of Object.entries(TYPES)) {
    const body = await readFile(new URL(name, directory), "utf8");
    files.set(name === "index.html" ? "/console" : `/console/${name}`, { type: `${type}; charset=utf-8`, body });
  }
  return async (request, carried) => {
    // A Host that is no name makes the URL invalid: such a request is refused by the app, as any other of its kind.
    const file = URL.canParse(request.url) ? files.get(new URL(request.url).pathname) : undefined;
    if (file === undefined || (request.method !== "GET" && request.method !== "HEAD")) return fetch(request, carried);
    return new Response(request.method === "HEAD" ? null : file.body, {
      headers: { ...HEADERS, "Content-Type": file.type },
    });
  };
}
