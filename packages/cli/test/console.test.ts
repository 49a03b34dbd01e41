// The console in a real browser, served by the real program: what it shows, what stays text, and where it is not served.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { request } from "node:http";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { startServer, temporaryDirectory } from "./process.ts";

const BROWSER = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"].find((path) => existsSync(path));
if (BROWSER === undefined)
  process.stderr.write(
    "Not tested: the console's pages. No chromium here (Debian's package chromium-headless-shell)\n",
  );

async function call(url: string, tool: string, input: object): Promise<void> {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`${url}/tools/${tool}`, { method: "POST", headers, body: JSON.stringify(input) });
  expect(response.status, await response.text()).toBe(200);
}

/** The page's elements as HTML, once its requests have been answered. */
async function shown(url: string): Promise<string> {
  const flags = ["--no-sandbox", "--disable-gpu", `--user-data-dir=${temporaryDirectory()}`];
  const dump = [...flags, "--virtual-time-budget=10000", "--dump-dom", url];
  return (await promisify(execFile)(BROWSER!, dump)).stdout;
}

describe.skipIf(BROWSER === undefined)("in a browser", () => {
  it("lists sessions, and shows a session's notes and values", async () => {
    const { url } = await startServer();
    expect(await shown(`${url}/console`)).toContain("Nothing is stored yet");
    await call(url, "add_note", { note: "Deploy on Tuesday." });
    await call(url, "store_value", { key: "city", value: { name: "Ulm" } });
    expect(await shown(`${url}/console`)).toContain('<a href="#default">default</a>');
    const session = await shown(`${url}/console#default`);
    expect(session).toContain(">Deploy on Tuesday.</pre>");
    expect(session).toContain(">city</strong>");
    expect(session).toContain('>{"name":"Ulm"}</pre>');
    expect(await shown(`${url}/console#ses_nowhere`)).toContain("This could not be read");
  });

  it("shows hostile text as text", async () => {
    const { url } = await startServer();
    const hostile = [
      "<img src=x onerror=\"document.title='ran'\">",
      "<script>document.title='ran'</script>",
      "a\u202eb\u0000c",
    ];
    for (const text of hostile) {
      await call(url, "add_note", { note: text });
      await call(url, "store_value", { key: text.replace(/[^ -~]/g, ""), value: text });
    }
    const page = await shown(`${url}/console#default`);
    expect(page).toContain("<title>Memory</title>");
    expect(page).not.toContain("<img");
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page).toContain("&lt;img src=x");
    expect(page).toContain("a\\u{202e}b\\u{0}c");
  });
});

it("is served with a policy under which nothing stored can run, and without cookies", async () => {
  const { url } = await startServer();
  for (const [path, type] of [
    ["/console", "text/html"],
    ["/console/console.css", "text/css"],
    ["/console/console.js", "text/javascript"],
  ]) {
    const { status, headers } = await fetch(url + path);
    expect({ status, type: headers.get("Content-Type") }).toEqual({ status: 200, type: `${type}; charset=utf-8` });
    expect(headers.get("Content-Security-Policy")).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    );
    expect(headers.get("Cross-Origin-Resource-Policy")).toBe("same-origin");
    expect(headers.get("Set-Cookie")).toBeNull();
  }
  expect((await fetch(`${url}/console/other.js`)).status).toBe(404);
  expect((await fetch(`${url}/console`, { method: "POST" })).status).toBe(404);
});

it("leaves a request whose Host is no name to the app, which refuses it", async () => {
  const { url } = await startServer();
  const status = await new Promise((resolve, reject) => {
    const asked = request(`${url}/console`, { headers: { Host: "a.1" } }, ({ statusCode }) => resolve(statusCode));
    asked.on("error", reject).end();
  });
  expect(status).toBe(403);
});

it("is not there with tokens or for everybody, and the start does not name it", async () => {
  for (const [flags, env] of [
    [["--allow-anonymous"], {}],
    [[], { MCP_AUTH_TOKEN: "ana=0123456789abcdef0123456789abcdef" }],
  ] as const) {
    const server = await startServer([...flags], { env });
    expect((await fetch(`${server.url}/console`)).status).toBe(404);
    server.child.kill("SIGTERM");
    expect((await server.ended).stderr).not.toContain("/console");
  }
});
