// The first hour with a clone: nothing is installed, `npm start` serves and stops, the command line runs, and no tools came along.
import { execFile, execFileSync, spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { freePort } from "@stateful-mcp/rig";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
/** Of the files of all packages: 49 MiB on 28 November 2026. On a disk with blocks of 4 KiB they take 74 MiB. */
const MAX_BYTES = 60 * 2 ** 20;
const execute = promisify(execFile);

let clone: string;
let environment: NodeJS.ProcessEnv;

beforeAll(() => {
  clone = mkdtempSync(join(tmpdir(), "clone-"));
  const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: ROOT });
  for (const path of files.toString().split("\0")) {
    if (path === "" || !existsSync(join(ROOT, path))) continue;
    mkdirSync(dirname(join(clone, path)), { recursive: true });
    copyFileSync(join(ROOT, path), join(clone, path));
  }
  environment = {
    ...process.env,
    // The Node.js of this run, without the programs of this workspace.
    PATH: `${dirname(process.execPath)}:${process.env.PATH?.replaceAll(join(ROOT, "node_modules/.bin"), "")}`,
    STATEFUL_MCP_DATA_DIR: join(clone, "data"),
    MCP_AUTH_TOKEN: undefined,
  };
});
afterAll(() => rmSync(clone, { recursive: true, force: true, maxRetries: 5 }));

/** Without what links lead to. */
const bytes = (folder: string): number =>
  readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name);
    return sum + (entry.isDirectory() ? bytes(path) : entry.isFile() ? statSync(path).size : 0);
  }, 0);

test("npm start installs what serves and no more, and ends with npm", { timeout: 600_000 }, async () => {
  const port = await freePort();
  const npm = spawn("npm", ["start", "--", "--port", String(port)], {
    cwd: clone,
    env: environment,
    stdio: ["ignore", "ignore", "pipe"],
  });
  onTestFinished(() => {
    npm.kill();
  });
  let said = "";
  npm.stderr.on("data", (chunk) => {
    said += chunk;
  });
  const ready = () =>
    fetch(`http://127.0.0.1:${port}/readyz`).then(
      ({ status }) => status,
      () => undefined,
    );
  await expect.poll(async () => (npm.exitCode === null ? await ready() : said), { timeout: 500_000 }).toBe(200);
  expect(said).toContain("installing what the server needs: about 75 MB (once)");
  expect(said).not.toMatch(/WARN|Warning/);
  expect(bytes(join(clone, "node_modules"))).toBeLessThan(MAX_BYTES);
  expect(readdirSync(join(clone, "node_modules"))).not.toEqual(expect.arrayContaining(["vitest"]));

  npm.kill("SIGTERM");
  await expect.poll(ready).toBeUndefined();
});

test("the command line runs from any folder, and installs nothing again", async () => {
  const { stdout, stderr } = await execute(join(clone, "bin/stateful-mcp"), ["call", "add_note", "note=Hello"], {
    cwd: tmpdir(),
    env: environment,
  });
  expect(stdout).toContain("note_id");
  expect(stderr).toBe("");
});

test("a client can be given a clone that nothing was built in", async () => {
  const file = join(clone, "mcp.json");
  const install = ["install", "cursor", "--path", file, "--yes"];
  await execute(join(clone, "bin/stateful-mcp"), install, { env: environment });
  const { memory } = JSON.parse(readFileSync(file, "utf8")).mcpServers;
  // A client starts it in a folder of its own, and may have no `node` on its path.
  const client = new Client({ name: "clone-test", version: "1" });
  onTestFinished(() => client.close());
  const env = { PATH: tmpdir(), HOME: clone, STATEFUL_MCP_DATA_DIR: join(clone, "data") };
  await client.connect(new StdioClientTransport({ ...memory, cwd: tmpdir(), env, stderr: "ignore" }));
  expect((await client.callTool({ name: "get_notes", arguments: {} })).structuredContent).toMatchObject({
    notes: ["Hello"],
  });
});

test("bin/run says what each script is for, and installs nothing for a script that there is not", async () => {
  const { scripts } = JSON.parse(readFileSync(join(clone, "package.json"), "utf8")) as { scripts: object };
  for (const [args, said] of [
    [[], "No script is named."],
    [["tset"], 'There is no script "tset".'],
  ] as const) {
    const failed = await execute(join(clone, "bin/run"), args, { cwd: clone, env: environment }).catch(
      (error) => error,
    );
    expect(failed.code).toBe(2);
    const [first, ...lines] = failed.stderr.trim().split("\n");
    expect(first).toBe(`${said} Write one of these after bin/run:`);
    // In words, and not as the command behind it.
    expect(lines).toEqual(
      Object.keys(scripts).map((name) => expect.stringMatching(new RegExp(`^ {2}${name} +[a-zA-Z]`))),
    );
    expect(lines.join("\n")).not.toMatch(/tsx|pnpm|biome|node /);
  }
});

test("what builds and packs is silent until something fails, and then shows all of it and ends as it did", async () => {
  const folder = mkdtempSync(join(clone, "path-"));
  const pnpm = (code: number) =>
    writeFileSync(join(folder, "pnpm"), `#!/bin/sh\necho "many lines"\necho why >&2\nexit ${code}\n`, { mode: 0o755 });
  const build = () =>
    execute(process.execPath, [join(clone, "bin/packages.mjs"), "build", "one", "two"], {
      env: { ...environment, PATH: `${folder}:${environment.PATH}` },
    });
  pnpm(0);
  expect(await build()).toEqual({ stdout: "Building one, 1 of 2\nBuilding two, 2 of 2\n", stderr: "" });
  pnpm(7);
  await expect(build()).rejects.toMatchObject({
    code: 7,
    stdout: "Building one, 1 of 2: it failed. What it printed:\n\n",
    stderr: "many lines\nwhy\n",
  });
});
