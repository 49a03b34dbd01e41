// Every example, started as a person starts it, over stdio and over HTTP, and asked by the official client.

import { execFile } from "node:child_process";
import { once } from "node:events";
import { globSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { freePort, ServerProcess, startS3Server } from "@stateful-mcp/rig";
import { describe, expect, onTestFinished, test } from "vitest";

const EXAMPLES = fileURLToPath(new URL("../../../examples/", import.meta.url));
const serverOf = (example: string) => [join(EXAMPLES, example, "src/server.ts")];

type Environment = Record<string, string>;
type Over = "stdio" | "HTTP";

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "example-"));
  onTestFinished(() => rm(path, { recursive: true, force: true, maxRetries: 5 }));
  return path;
}

/** A client of the example, which has just been started for it. */
async function connect(example: string, over: Over, settings: Environment = {}): Promise<Client> {
  const cwd = await directory();
  const env = { PATH: process.env.PATH ?? "", HOME: cwd, MCP_STATE_BACKEND: "memory", ...settings };
  const client = new Client({ name: "examples", version: "1" }, { versionNegotiation: { mode: "auto" } });
  if (over === "stdio") {
    const command = process.execPath;
    await client.connect(new StdioClientTransport({ command, args: serverOf(example), cwd, env, stderr: "ignore" }));
  } else {
    const port = await freePort();
    const address = `http://127.0.0.1:${port}`;
    const server = await ServerProcess.start({
      command: process.execPath,
      args: [...serverOf(example), "serve", "--port", String(port)],
      cwd,
      env: { MCP_AUTH_TOKEN: undefined, ...env },
      ready: new URL(`${address}/readyz`),
    });
    onTestFinished(() => server.terminate());
    await client.connect(new StreamableHTTPClientTransport(new URL(`${address}/mcp`)));
  }
  onTestFinished(() => client.close());
  return client;
}

const call = async (client: Client, name: string, args: Record<string, unknown> = {}) => {
  const { structuredContent, isError, content } = await client.callTool({ name, arguments: args });
  return isError ? { error: (content[0] as { text: string }).text } : structuredContent;
};

const covered = [
  "hello-world",
  "session-counter",
  "search-website",
  "openapi-tools",
  "count-s3-buckets",
  "long-report",
  "file-store",
  "own-app-on-aws",
  // With the guide that it belongs to, in oauth-guide.test.ts.
  "oauth-issuer",
];

test("every example is tried", () => {
  const all = globSync("*/package.json", { cwd: EXAMPLES }).map((path) => path.replace(/[\\/].*/, ""));
  expect(all.toSorted()).toEqual(covered.toSorted());
});

test("what runs TypeScript for users keeps no code in a folder of /tmp that any user may have made: it is Node.js alone", () => {
  const root = join(EXAMPLES, "..");
  const manifests = ["examples/*/package.json", "packages/cli/package.json", "packages/cli/template/**/*.json"];
  const scripts = globSync(manifests, { cwd: root, exclude: ["**/node_modules"] }).flatMap((path) => {
    const { scripts = {}, app = "" } = JSON.parse(readFileSync(join(root, path), "utf8"));
    return [...Object.values<string>(scripts), app as string];
  });
  const { agent, release } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).scripts;
  expect(scripts.length).toBeGreaterThan(20);
  expect([...scripts, agent, release].filter((script) => /\btsx\b/.test(script))).toEqual([]);
});

test("hello world takes fewer than ten lines in one file", () => {
  const text = readFileSync(join(EXAMPLES, "hello-world/src/server.ts"), "utf8");
  const code = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("//"));
  expect(code.length).toBeLessThan(10);
  const guide = readFileSync(join(EXAMPLES, "../docs/write-a-tool.md"), "utf8");
  expect(guide).toContain(text.replace(/^\/\/.*\n/, ""));
});

describe.each(["stdio", "HTTP"] as const)("over %s", (over) => {
  test("hello-world greets", async () => {
    const client = await connect("hello-world", over);
    expect(client.getServerVersion()?.name).toBe("hello-world");
    expect((await client.callTool({ name: "hello", arguments: {} })).content).toEqual([
      { type: "text", text: "Hello!" },
    ]);
  });

  test("session-counter counts per session, a repeated call once", async () => {
    const client = await connect("session-counter", over);
    expect(await call(client, "get_counter")).toEqual({ session_id: "session-counter", counter: 0 });
    expect(await call(client, "increment_counter")).toEqual({ session_id: "session-counter", counter: 1 });
    const again = { idempotency_key: "once" };
    expect(await call(client, "increment_counter", again)).toEqual({ session_id: "session-counter", counter: 2 });
    expect(await call(client, "increment_counter", again)).toEqual({ session_id: "session-counter", counter: 2 });
    expect(await call(client, "increment_counter", { session_id: "other" })).toMatchObject({ counter: 1 });
    expect(await call(client, "get_counter")).toMatchObject({ counter: 2 });
  });

  test("search-website asks once per search, and says what is wrong with the key", async () => {
    const service = await searchService();
    const settings = { SERPER_URL: service.url, SERPER_API_KEY: "right" };
    const client = await connect("search-website", over, settings);
    const question = { query: "durable state", site: "example.org" };
    const results = [{ title: "durable state site:example.org", link: "https://example.org/", snippet: "" }];
    expect(await call(client, "search_website", question)).toEqual({ results, cached: false });
    expect(await call(client, "search_website", question)).toEqual({ results, cached: true });
    expect(service.keys).toEqual(["right"]);
    expect(await call(client, "search_website", { query: "busy" })).toMatchObject({
      error: expect.stringContaining("Try again in a minute"),
    });
    expect(await call(client, "search_website", { query: "x", site: "no host name" })).toMatchObject({
      error: expect.stringContaining("site"),
    });
    const mistaken = await connect("search-website", over, { ...settings, SERPER_API_KEY: "wrong" });
    expect(await call(mistaken, "search_website", question)).toMatchObject({
      error: expect.stringContaining("correct SERPER_API_KEY"),
    });
    const keyless = await connect("search-website", over, { SERPER_URL: service.url });
    expect(await call(keyless, "search_website", question)).toMatchObject({
      error: expect.stringContaining("set SERPER_API_KEY"),
    });
  });

  test("openapi-tools has a tool for each operation, which asks for what it is given and nothing beside it", async () => {
    const api = await petApi();
    const settings = { OPENAPI_DOCUMENT: `${api.url}/openapi.json`, OPENAPI_AUTHORIZATION: "Bearer right" };
    const client = await connect("openapi-tools", over, settings);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name).sort()).toEqual(["addPet", "findPets", "get_pets_id_", "putTree"]);
    expect(tools.find(({ name }) => name === "addPet")?.inputSchema).toMatchObject({
      properties: { body: { properties: { name: { type: "string" } }, required: ["name"] } },
      required: ["body"],
    });
    const ask = async (name: string, args: Record<string, unknown>) => {
      const { content, isError } = await client.callTool({ name, arguments: args });
      return [isError === true, (content[0] as { text: string }).text];
    };
    expect(await ask("findPets", { tag: ["a b", "c&d"] })).toEqual([
      false,
      "GET /v1/pets?tag=a+b&tag=c%26d Bearer right",
    ]);
    expect(await ask("get_pets_id_", { id: "1/../2" })).toEqual([false, "GET /v1/pets/1%2F..%2F2 Bearer right"]);
    expect(await ask("addPet", { body: { name: "Bo" } })).toEqual([false, 'POST /v1/pets Bearer right {"name":"Bo"}']);
    expect(await ask("putTree", { body: { branches: [{}] } })).toEqual([
      false,
      'PUT /v1/trees Bearer right {"branches":[{}]}',
    ]);
    for (const [name, args, said] of [
      ["get_pets_id_", { id: ".." }, "must not be"],
      ["addPet", { body: {} }, "name"],
      ["findPets", { Authorization: "Bearer another" }, "Authorization"],
      ["findPets", { "X-Trace": "a\nb" }, "one line"],
      ["findPets", { tag: ["none"] }, "status 404"],
      ["findPets", { tag: ["moved"] }, "status 302"],
    ] as const) {
      const [failed, text] = await ask(name, args);
      expect([failed, text]).toEqual([true, expect.stringContaining(said)]);
    }
    // Where it leads is nothing that a caller could reach, and was not asked.
    expect(api.asked).toBe(6);
  });

  test("count-s3-buckets counts the buckets of an S3 server, and says when there is none", async () => {
    const s3 = await startS3Server();
    onTestFinished(() => s3.stop());
    const settings = { AWS_REGION: "us-east-1", AWS_ACCESS_KEY_ID: "S3RVER", AWS_SECRET_ACCESS_KEY: "S3RVER" };
    const here = { ...settings, AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${s3.port}` };
    expect(await call(await connect("count-s3-buckets", over, here), "count_s3_buckets")).toEqual({
      buckets: 1,
      cached: false,
    });
    const nowhere = { ...settings, AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${await freePort()}`, AWS_MAX_ATTEMPTS: "1" };
    expect(await call(await connect("count-s3-buckets", over, nowhere), "count_s3_buckets")).toMatchObject({
      error: expect.stringContaining("S3 did not answer"),
    });
  });

  test("long-report goes on when its caller has given up, and its result can be fetched", async () => {
    const client = await connect("long-report", over);
    const giveUp = new AbortController();
    const report = { topic: "rivers", sections: 3 };
    const first = client.callTool(
      { name: "write_report", arguments: { ...report, seconds_per_section: 0.3 } },
      { signal: giveUp.signal },
    );
    const tasks = async () =>
      (await call(client, "list_tasks", {})) as { tasks: { task_id: string; status: string }[] };
    await expect.poll(async () => (await tasks()).tasks.length).toBe(1);
    giveUp.abort();
    // On a busy machine it may have been answered already, which is no matter here.
    await first.catch(() => undefined);
    const [{ task_id } = { task_id: "" }] = (await tasks()).tasks;
    expect(await call(client, "get_task", { task_id, wait_seconds: 20 })).toMatchObject({
      status: "completed",
      result: { sections: ["rivers, part 1", "rivers, part 2", "rivers, part 3"] },
    });
    expect(await call(client, "write_report", { ...report, seconds_per_section: 0 })).toEqual({
      session_id: "long-report",
      sections: ["rivers, part 1", "rivers, part 2", "rivers, part 3"],
    });
  });

  test("programs of one user keep their state apart", async () => {
    const HOME = await directory();
    const settings = { MCP_STATE_BACKEND: "local", HOME, XDG_DATA_HOME: join(HOME, "data") };
    await call(await connect("session-counter", over, settings), "increment_counter");
    const report = { topic: "rivers", sections: 1, seconds_per_section: 0 };
    await call(await connect("long-report", over, settings), "write_report", report);
    const files = globSync("**/mcp_state.sqlite", { cwd: HOME }).map((path) => path.replaceAll("\\", "/"));
    const owners = files.map((path) => /apps\/([^/]+)\/state\//.exec(path)?.[1]);
    expect(owners.toSorted()).toEqual(["long-report", "session-counter"]);
  });

  test("state of an example outlives its process", async () => {
    const STATEFUL_MCP_DATA_DIR = await directory();
    const settings = { MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR };
    const first = await connect("session-counter", over, settings);
    await call(first, "increment_counter");
    await first.close();
    expect(await call(await connect("session-counter", over, settings), "increment_counter")).toMatchObject({
      counter: 2,
    });
  });
});

test("--help tells what an example takes, and ends with 0", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [...serverOf("hello-world"), "--help"]);
  expect(stdout).toContain("Usage: without arguments the server speaks MCP over stdin and stdout; `serve` listens");
});

test("a wrong argument ends an example with 2 and a line that says what is allowed", async () => {
  for (const args of [["sevre"], ["serve", "--prot", "1"]]) {
    const failed = await ServerProcess.start({
      command: process.execPath,
      args: [...serverOf("hello-world"), ...args],
      ready: /never/,
    }).then(
      () => "",
      (error: Error) => error.message,
    );
    expect(failed).toContain("`serve` listens for HTTP and takes --host, --port");
  }
});

/** A double of the search service: the same requests and answers, no web behind it. */
async function searchService() {
  const keys: IncomingHttpHeaders[string][] = [];
  const server: Server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { q, num } = JSON.parse(Buffer.concat(chunks).toString()) as { q: string; num: number };
    const key = request.headers["x-api-key"];
    const status = key !== "right" ? 403 : q === "busy" ? 429 : 200;
    if (status === 200) keys.push(key);
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ organic: [{ title: q, link: "https://example.org/", position: num }] }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return { keys, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/search` };
}

/** An API with three operations, which answers with what it was asked, and counts that. */
async function petApi(): Promise<{ url: string; readonly asked: number }> {
  let asked = 0;
  const tag = { name: "tag", in: "query", schema: { $ref: "#/components/schemas/Tags" } };
  const headers = ["Authorization", "X-Trace"].map((name) => ({ name, in: "header", schema: { type: "string" } }));
  const document = {
    openapi: "3.1.0",
    info: { title: "Pets", version: "1" },
    servers: [{ url: "/v1" }],
    paths: {
      "/pets": {
        get: { operationId: "findPets", summary: "Finds pets.", parameters: [tag, ...headers] },
        post: {
          operationId: "addPet",
          requestBody: {
            required: true,
            content: { "application/json": { schema: { $ref: "#/components/schemas/Pet" } } },
          },
        },
      },
      "/trees": {
        put: {
          operationId: "putTree",
          requestBody: { content: { "application/json": { schema: { $ref: "#/components/schemas/Tree" } } } },
        },
      },
      "/pets/{id}": {
        parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }],
        get: { description: "One pet." },
      },
    },
    components: {
      schemas: {
        Tags: { type: "array", items: { type: "string" } },
        Pet: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
        Tree: {
          type: "object",
          properties: { branches: { type: "array", items: { $ref: "#/components/schemas/Tree" } } },
        },
      },
    },
  };
  const server = createServer(async (request, response) => {
    if (request.url === "/openapi.json") return response.end(JSON.stringify(document));
    asked += 1;
    let body = "";
    for await (const chunk of request) body += chunk;
    if (request.url?.includes("tag=none")) response.statusCode = 404;
    if (request.url?.includes("tag=moved")) response.writeHead(302, { Location: "/internal" });
    return response.end(`${request.method} ${request.url} ${request.headers.authorization} ${body}`.trimEnd());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    get asked() {
      return asked;
    },
  };
}
