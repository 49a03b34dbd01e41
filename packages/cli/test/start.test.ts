// What a start loads, counted, because time on a busy machine says little; and where compiled code is kept between starts.
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { start, temporaryDirectory } from "./process.ts";

/** What was counted and 10 %; who raises it says why in the commit. */
const OWN_MODULES_MAX = 176;

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

/** Starts over stdio as a host does, sends one message, waits for its answer and ends. The modules that were loaded for it. */
async function loadedOverStdio(env: Record<string, string>): Promise<string[]> {
  const folder = temporaryDirectory();
  const [probe, loaded] = [join(folder, "probe.mjs"), join(folder, "loaded")];
  writeFileSync(probe, PROBE);
  const { child, ended } = start([], { env: { LOADED: loaded, ...env }, nodeArguments: ["--import", probe] });
  child.stdin.end(`${JSON.stringify(INITIALIZE)}\n`);
  const { code, stdout, stderr } = await ended;
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ id: 0, result: { serverInfo: {} } });
  return readFileSync(loaded, "utf8").trim().split("\n");
}

const packagesOf = (modules: readonly string[]) =>
  [...new Set(modules.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []))].sort();

it("over stdio, on local state, loads the protocol's packages and none that only other commands need", async () => {
  const modules = await loadedOverStdio({
    MCP_STATE_BACKEND: "local",
    STATEFUL_MCP_DATA_DIR: join(temporaryDirectory(), "data"),
  });
  expect(packagesOf(modules)).toEqual([
    "@modelcontextprotocol/core",
    "@modelcontextprotocol/server",
    "eventsource-parser",
    "hono",
    "lru-cache",
    "zod",
  ]);
  // Nothing here speaks HTTP: Node's, which brings a whole client for fetch with it, is a tenth of such a start.
  expect(modules.filter((url) => /^node:https?$|\/local\/src\/(connect|engine|start|call)/.test(url))).toEqual([]);
  expect(modules.filter((url) => url.includes("/packages/")).length).toBeLessThanOrEqual(OWN_MODULES_MAX);
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
