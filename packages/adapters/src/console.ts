// Serves the console, pages for a person in a browser, beside an app's own routes. Its files hold no data: the pages ask the app's
// routes, which check each of their calls. Knows nothing of tools or state.
import { readdir, readFile } from "node:fs/promises";
import type { App } from "@stateful-mcp/core/runtime";

type Fetch = App["fetch"];

const TYPES: Readonly<Record<string, string>> = { html: "text/html", css: "text/css", js: "text/javascript" };

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

/** What a server says of itself to callers whom it lets in. */
export interface ConsoleFacts {
  /** The server's name, and its version: the pages call as client `stateful-mcp-console` of this version. */
  readonly name: string;
  readonly version: string;
  /** Revisions of MCP, newest first. */
  readonly protocol: readonly string[];
  /** How callers are known. */
  readonly mode: string;
  /** The same for a person. */
  readonly access: string;
  readonly backend: string;
  /** Where state lies. Default: it is not said. */
  readonly location?: string;
}

/** What is served, and what it says. */
export interface ConsoleOptions {
  /** The folder of the pages' files. */
  readonly directory: URL;
  readonly facts: ConsoleFacts;
}

/**
 * `fetch` with the files of a folder under `/console`, and `/console/api/server`, for GET and HEAD. All else, unknown names too, is
 * `fetch`'s own.
 */
export async function withConsole(fetch: Fetch, { directory, facts }: ConsoleOptions): Promise<Fetch> {
  const files = await filesOf(directory);
  return async (request, carried) => {
    // A Host that is no name makes the URL invalid: such a request is refused by the app, as any other of its kind.
    const path = URL.canParse(request.url) ? new URL(request.url).pathname : undefined;
    if (path === undefined || (request.method !== "GET" && request.method !== "HEAD")) return fetch(request, carried);
    if (path === "/console/api/server") {
      // Who may call, and from which pages, is for the app to say: it answers what costs nothing, or refuses.
      const asked = new Request(new URL("/mcp/list_tools", request.url), { headers: request.headers });
      const answer = await fetch(asked, carried);
      if (!answer.ok) return answer;
      await answer.body?.cancel();
      return Response.json(facts, { headers: { "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" } });
    }
    const file = files.get(path === "/console/" ? "/console" : path);
    const answer = await fetch(request, carried);
    // It knows no such route: anything else is a refusal, of a foreign name or of another's page.
    if (file === undefined || answer.status !== 404) return answer;
    await answer.body?.cancel();
    return new Response(request.method === "HEAD" ? null : file.body, {
      headers: { ...HEADERS, "Content-Type": `${file.type}; charset=utf-8` },
    });
  };
}

async function filesOf(directory: URL): Promise<Map<string, { type: string; body: string }>> {
  const files = new Map<string, { type: string; body: string }>();
  for (const name of await readdir(directory, { recursive: true })) {
    const path = name.replaceAll("\\", "/");
    const type = TYPES[path.split(".").at(-1) ?? ""];
    if (type === undefined) continue;
    const body = await readFile(new URL(path, directory), "utf8");
    files.set(path === "index.html" ? "/console" : `/console/${path}`, { type, body });
  }
  return files;
}
