// The first hour with a clone: nothing is installed, `npm start` serves and stops, the command line runs, and no tools came along.
import { execFile, execFileSync, spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { freePort } from "@stateful-mcp/rig";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
/** Of the files of all packages; 57 MiB on 27 November 2026. */
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
