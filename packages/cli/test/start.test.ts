// What a start loads, counted, because time on a busy machine says little; and where compiled code is kept between starts.
import { execFile, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { start, temporaryDirectory, watch } from "./process.ts";

/** What was counted and 10 %; who raises it says why in the commit. */
const OWN_MODULES_MAX = 167;

const INITIALIZE = {
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "host", version: "1" } },
};

/** Writes the address of each module that is loaded to the file LOADED. */
const PROBE = `
import { appendFileSync } from "node:fs";
import { registerHooks } from "node:module";
registerHooks({
  load(url, context, next) {
    appendFileSync(process.env.LOADED, url + "\\n");
    return next(url, context);
  },
});
`;

/** Starts over stdio as a host does, sends one message, waits for its answer and ends. The modules that were loaded for it. `atStart`: code. */
async function loadedOverStdio(env: Record<string, string>, atStart = ""): Promise<string[]> {
  const folder = temporaryDirectory();
  const [probe, loaded] = [join(folder, "probe.mjs"), join(folder, "loaded")];
  writeFileSync(probe, PROBE + atStart);
  const { child, ended } = start([], { env: { LOADED: loaded, ...env }, nodeArguments: ["--import", probe] });
  child.stdin.end(`${JSON.stringify(INITIALIZE)}\n`);
  const { code, stdout, stderr } = await ended;
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ id: 0, result: { serverInfo: {} } });
  return readFileSync(loaded, "utf8").trim().split("\n");
}

const packagesOf = (modules: readonly string[]) =>
  [...new Set(modules.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []))].sort();

it("over stdio, on local state, loads no package that its first answer does not need", async () => {
  const modules = await loadedOverStdio({
    MCP_STATE_BACKEND: "local",
    STATEFUL_MCP_DATA_DIR: join(temporaryDirectory(), "data"),
  });
  expect(packagesOf(modules)).toEqual(["lru-cache", "zod"]);
  // Nothing here speaks HTTP: Node's, which brings a whole client for fetch with it, is a tenth of such a start.
  expect(modules.filter((url) => /^node:https?$|\/local\/src\/(connect|engine|start|call)/.test(url))).toEqual([]);
  const own = modules.filter((url) => url.includes("/packages/")).length;
  expect(own).toBeLessThanOrEqual(OWN_MODULES_MAX);
});

const REVISION = "2026-07-28";
const META = {
  "io.modelcontextprotocol/protocolVersion": REVISION,
  "io.modelcontextprotocol/clientCapabilities": {},
};
const modern = (id: number, method: string, params: object = {}) => ({
  jsonrpc: "2.0",
  id,
  method,
  params: { ...params, _meta: META },
});
/** Text that stands in the official SDK, and nowhere else. */
const OF_THE_SDK = "mcp.sdk.errorBrands";

it("as published, loads the official SDK for what is not plain, and not before", async () => {
  const folder = temporaryDirectory();
  const program = join(folder, "program");
  const cli = fileURLToPath(new URL("..", import.meta.url));
  await promisify(execFile)(process.execPath, ["--import", "tsx", "build.ts", program], { cwd: cli });
  writeFileSync(join(program, "package.json"), '{"type":"module"}');
  const [probe, loaded] = [join(folder, "probe.mjs"), join(folder, "loaded")];
  writeFileSync(probe, PROBE);
  const begin = (...commandLine: string[]) => {
    writeFileSync(loaded, "");
    const env = {
      PATH: process.env.PATH,
      HOME: folder,
      MCP_STATE_BACKEND: "memory",
      STATEFUL_MCP_CONSOLE: "off",
      LOADED: loaded,
    };
    return watch(spawn(process.execPath, ["--import", probe, join(program, "main.js"), ...commandLine], { env }));
  };
  const filesOfTheSdk = () =>
    readFileSync(loaded, "utf8")
      .trim()
      .split("\n")
      .filter((url) => url.startsWith("file:") && readFileSync(fileURLToPath(url), "utf8").includes(OF_THE_SDK));
  const loadedFor = async (...messages: object[]) => {
    const { child, ended } = begin();
    child.stdin.end(messages.map((message) => `${JSON.stringify(message)}\n`).join(""));
    const { stdout, stderr } = await ended;
    const answered = messages.filter((message) => "id" in message).length;
    expect(stdout.trim().split("\n"), stderr).toHaveLength(answered);
    return filesOfTheSdk();
  };
  const initialized = { jsonrpc: "2.0", method: "notifications/initialized" };
  const key = { name: "get_value", arguments: { key: "a" } };
  const list = { jsonrpc: "2.0", id: 1, method: "tools/list" };
  const call = { jsonrpc: "2.0", id: 2, method: "tools/call", params: key };
  expect(await loadedFor(modern(0, "server/discover"), modern(1, "tools/list"), modern(2, "tools/call", key))).toEqual(
    [],
  );
  expect(await loadedFor(INITIALIZE, initialized, list, call)).toEqual([]);
  expect(await loadedFor(modern(0, "resources/list"))).not.toEqual([]);

  const { child, ended, logged } = begin("serve", "--port", "0");
  const [, url = ""] = await logged(/"url":"(http:[^"]+)\/mcp"/);
  const post = async (body: ReturnType<typeof modern>, name = "") => {
    const accept = "application/json, text/event-stream";
    const standard = {
      "Content-Type": "application/json; charset=utf-8",
      Accept: accept,
      "MCP-Protocol-Version": REVISION,
    };
    const headers = { ...standard, "Mcp-Method": body.method, ...(name && { "Mcp-Name": name }) };
    const answer = await fetch(`${url}/mcp`, { method: "POST", headers, body: JSON.stringify(body) });
    expect([answer.status, await answer.json()]).toMatchObject([200, { result: {} }]);
  };
  expect((await fetch(`${url}/health`)).status).toBe(200);
  await post(modern(0, "server/discover"));
  await post(modern(1, "tools/list"));
  await post(modern(2, "tools/call", key), key.name);
  expect(
    (
      await fetch(`${url}/tools/get_value`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: '{"key":"a"}',
      })
    ).status,
  ).toBe(200);
  expect(filesOfTheSdk()).toEqual([]);
  await post(modern(3, "resources/list"));
  expect(filesOfTheSdk()).not.toEqual([]);
  child.kill();
  await ended;
});

it("keeps compiled code in a data directory that is there already, and only in one that others cannot write", async () => {
  const folder = temporaryDirectory();
  const env = (name: string) => ({ MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: join(folder, name) });
  const kept = (name: string) => existsSync(join(folder, name, "compiled-code"));
  await loadedOverStdio(env("own"));
  expect(kept("own")).toBe(false);
  await loadedOverStdio(env("own"));
  expect(readdirSync(join(folder, "own", "compiled-code")).length).toBeGreaterThan(0);

  mkdirSync(join(folder, "shared"));
  chmodSync(join(folder, "shared"), 0o770);
  await loadedOverStdio(env("shared"));
  expect(kept("shared")).toBe(false);
});

it.skipIf(process.platform === "win32")(
  "keeps compiled code where no other user can put any, also with a umask of zero",
  async () => {
    const folder = temporaryDirectory();
    const data = join(folder, "data");
    const env = { MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: data };
    const kept = join(data, "compiled-code");
    const mode = () => statSync(kept).mode & 0o777;
    // One that the umask of this user leaves open to be read, as most do.
    mkdirSync(data, { mode: 0o755 });
    await loadedOverStdio(env, "process.umask(0);");
    expect(mode()).toBe(0o700);
    expect(readdirSync(kept).length).toBeGreaterThan(0);

    // What lies in one that others could write may be theirs.
    rmSync(kept, { recursive: true });
    mkdirSync(kept);
    chmodSync(kept, 0o777);
    await loadedOverStdio(env);
    expect(readdirSync(kept)).toEqual([]);
  },
);

it.skipIf(process.platform === "win32")(
  "keeps nothing where others can put another directory in its place, compiled code neither",
  async () => {
    const folder = temporaryDirectory();
    const open = join(folder, "open");
    const data = join(open, "data");
    mkdirSync(data, { recursive: true, mode: 0o700 });
    const env = (directory: string) => ({ MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: directory });
    chmodSync(open, 0o777);
    const { child, ended } = start([], { env: env(data) });
    child.stdin.end();
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([3, expect.stringMatching(/open can be changed by every user .*chmod o-w/)]);
    expect(readdirSync(data)).toEqual([]);

    // As in /tmp, where only owners change names.
    chmodSync(open, 0o1777);
    const [link, used] = [join(open, "link"), join(folder, "used")];
    symlinkSync(data, link);
    const tell = `
import { getCompileCacheDir } from "node:module";
process.on("exit", () => appendFileSync(process.env.USED, String(getCompileCacheDir())));
`;
    await loadedOverStdio({ ...env(link), USED: used }, tell);
    // Not by way of the link, which its owner may turn elsewhere.
    expect(readFileSync(used, "utf8")).toContain(join(realpathSync(data), "compiled-code"));
  },
);
