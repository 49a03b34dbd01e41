// docs/auth.md, replayed: the authorization server of the example, a server that believes it, the commands of the page, and a
// client whose user signs in with a browser.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  Client,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  type StoredOAuthClientInformation,
  type StoredOAuthTokens,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from "@modelcontextprotocol/client";
import { freePort, ServerProcess } from "@stateful-mcp/rig";
import { afterAll, beforeAll, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const [, guide = ""] = readFileSync(join(ROOT, "docs/auth.md"), "utf8").split("### In five minutes, on your machine");
const blocks = [...guide.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, , text = ""]) => text);
const TSX = import.meta.resolve("tsx");

let ports: { issuer: number; server: number };
const processes = new AsyncDisposableStack();

/** The page's text with the ports that are free here, and its commands without what installs them. */
const here = (text: string): string =>
  text
    .replaceAll("127.0.0.1:4000", `127.0.0.1:${ports.issuer}`)
    .replaceAll("127.0.0.1:3333", `127.0.0.1:${ports.server}`)
    .replaceAll("bin/stateful-mcp", `${process.execPath} --import ${TSX} packages/cli/src/main.ts`);

const shell = async (commands: string): Promise<string> =>
  (await promisify(execFile)("bash", ["-c", here(commands)], { cwd: ROOT })).stdout;

beforeAll(async () => {
  ports = { issuer: await freePort(), server: await freePort() };
  const [startIssuer = "", startServer = ""] = blocks;
  const [, folder = ""] = /--prefix (\S+) start/.exec(startIssuer)!;
  const { scripts } = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));
  const [, issuer = ""] = /^node (\S+)$/.exec(scripts.start)!;
  const settings = Object.fromEntries(
    [...here(startServer).matchAll(/^export (\w+)=(\S+)$/gm)].map(([, name = "", value = ""]) => [name, value]),
  );
  processes.use(
    await ServerProcess.start({
      command: process.execPath,
      args: [join(ROOT, folder, issuer)],
      env: { PORT: String(ports.issuer) },
      ready: new URL(`http://127.0.0.1:${ports.issuer}/.well-known/openid-configuration`),
    }),
  );
  const cwd = await mkdtemp(join(tmpdir(), "oauth-guide-"));
  processes.defer(() => rm(cwd, { recursive: true, force: true, maxRetries: 5 }));
  processes.use(
    await ServerProcess.start({
      command: process.execPath,
      args: ["--import", TSX, join(ROOT, "packages/cli/src/main.ts"), "serve", "--port", String(ports.server)],
      cwd,
      env: { MCP_AUTH_TOKEN: undefined, MCP_STATE_BACKEND: "memory", ...settings },
      ready: new URL(`http://127.0.0.1:${ports.server}/readyz`),
    }),
  );
});
afterAll(() => processes.disposeAsync());

test("whoever comes without a token is told where tokens come from", async () => {
  const [, , ask = "", told = ""] = blocks;
  expect((await shell(ask)).trim().toLowerCase()).toBe(here(told).trim().toLowerCase());
});

test("a program gets a token with its own credentials, and everything works with it", async () => {
  const [, , , , check = "", end = ""] = blocks;
  expect(await shell(check)).toContain(end.trim());
});

test("a client finds the issuer, introduces itself, and has its user sign in", async () => {
  const url = new URL(here("http://127.0.0.1:3333/mcp"));
  const user = new BrowsingUser();
  const connect = () => {
    const transport = new StreamableHTTPClientTransport(url, { authProvider: user });
    const client = new Client({ name: "guide", version: "1" }, { versionNegotiation: { mode: "auto" } });
    return { transport, client, connected: client.connect(transport) };
  };
  const first = connect();
  await expect(first.connected).rejects.toThrow(UnauthorizedError);
  await first.transport.finishAuth(await user.signIn("alice"));
  const { client, connected } = connect();
  await connected;
  await client.callTool({ name: "add_note", arguments: { session_id: "plan", note: "Signed in." } });
  const { structuredContent } = await client.callTool({ name: "get_notes", arguments: { session_id: "plan" } });
  expect(structuredContent).toMatchObject({ notes: ["Signed in."] });
  await client.close();
});

/** A client's memory of its authorization, and a person who fills in whatever form a page shows. */
class BrowsingUser implements OAuthClientProvider {
  readonly redirectUrl = "http://127.0.0.1:1/callback";
  readonly clientMetadata = { client_name: "guide", redirect_uris: [this.redirectUrl] };
  readonly #cookies = new Map<string, string>();
  #client: StoredOAuthClientInformation | undefined;
  #tokens: StoredOAuthTokens | undefined;
  #verifier = "";
  #discovered: OAuthDiscoveryState | undefined;
  #address: URL | undefined;

  clientInformation = () => this.#client;
  saveClientInformation = (client: StoredOAuthClientInformation) => {
    this.#client = client;
  };
  tokens = () => this.#tokens;
  saveTokens = (tokens: StoredOAuthTokens) => {
    this.#tokens = tokens;
  };
  codeVerifier = () => this.#verifier;
  saveCodeVerifier = (verifier: string) => {
    this.#verifier = verifier;
  };
  discoveryState = () => this.#discovered;
  saveDiscoveryState = (state: OAuthDiscoveryState) => {
    this.#discovered = state;
  };
  redirectToAuthorization = (address: URL) => {
    this.#address = address;
  };

  /** Follows redirects and sends forms until the browser would come back to the client; resolves with what it brings. */
  async signIn(login: string): Promise<URLSearchParams> {
    let address = this.#address!;
    let form: URLSearchParams | undefined;
    while (!address.href.startsWith(this.redirectUrl)) {
      const answer = await fetch(address, {
        redirect: "manual",
        headers: { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ") },
        ...(form && { method: "POST", body: form }),
      });
      for (const cookie of answer.headers.getSetCookie()) {
        const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie)!;
        this.#cookies.set(name, value);
      }
      const next = answer.headers.get("location");
      const page = await answer.text();
      form = next === null ? filledIn(page, login) : undefined;
      address = new URL(next ?? /<form[^>]* action="([^"]+)"/.exec(page)?.[1] ?? "", address);
    }
    return address.searchParams;
  }
}

function filledIn(page: string, login: string): URLSearchParams {
  const [, prompt] = /name="prompt" value="(\w+)"/.exec(page) ?? [];
  if (!prompt) throw new Error(`A page without a form: ${page.slice(0, 500)}`);
  return new URLSearchParams(prompt === "login" ? { prompt, login, password: "any" } : { prompt });
}
