// The Dockerfile, built without Docker, and the server in the image, used by clients over HTTP.
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createDynamoDBClient, setupTable } from "@stateful-mcp/core/dynamodb";
import { freePort, startDynalite } from "@stateful-mcp/rig";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { REPOSITORY } from "../test/synthesis.ts";
import { baseImageOf, makeBaseImage } from "./base-image.ts";
import { missing } from "./programs.ts";

const IMAGE = "localhost/stateful-mcp-test";
const DOCKERFILE = join(REPOSITORY, "packages/cli/Dockerfile");
const TOKEN = "0123456789abcdef0123456789abcdef";
/** Of what the image adds to its base. */
const MAX_ADDED_BYTES = 20_000_000;

/** By its path, because it is looked for with the image's own PATH. */
const CHROOT = "/usr/sbin/chroot";

const mount = (...args: string[]) => execFileSync("mount", args);

const env = { ...process.env, BUILDAH_ISOLATION: "chroot" };
const buildah = (args: string[]): string =>
  execFileSync("buildah", args, {
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 * 1_048_576,
  });

const BASE = baseImageOf(DOCKERFILE);
const PROBE = `stateful-mcp-probe-${process.pid}`;

/** Makes the base image, and finds out whether anything can be built on it here. */
function whyNot(): string | undefined {
  const mounts = missing("unshare", ["--mount", "mount", "--bind", "/proc", "/mnt"]);
  const reason = mounts ?? missing("buildah", ["from", "--name", PROBE, "scratch"]);
  if (reason !== undefined) return reason;
  buildah(["rm", PROBE]);
  makeBaseImage(buildah, BASE, process.execPath);
  buildah(["from", "--pull=never", "--name", PROBE, BASE]);
  // The build installs packages.
  const offline = missing("buildah", ["run", "--isolation", "chroot", PROBE, "npm", "view", "pnpm@10.34.9", "name"]);
  buildah(["rm", PROBE]);
  return offline;
}
const reason = whyNot();

interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Healthcheck: { readonly Test: readonly string[] };
  readonly ExposedPorts: Readonly<Record<string, unknown>>;
}

describe.skipIf(reason !== undefined)(`the image${reason === undefined ? "" : ` (SKIPPED: ${reason})`}`, () => {
  let container: string;
  let root: string;
  let image: { readonly config: ImageConfig };

  beforeAll(() => {
    buildah(["build", "--pull=never", "--format", "docker", "--file", DOCKERFILE, "--tag", IMAGE, REPOSITORY]);
    container = buildah(["from", "--pull=never", IMAGE]).trim();
    // Read-only but for the volume, as the task on Fargate and the compose file have it, and with what any engine adds.
    const layers = buildah(["mount", container]).trim();
    for (const folder of ["proc", "dev"]) mkdirSync(join(layers, folder), { recursive: true });
    root = mkdtempSync(join(tmpdir(), "image-"));
    mount("--bind", layers, root);
    mount("--options", "remount,bind,ro", root);
    for (const [from, to] of [
      ["/proc", "proc"],
      ["/dev", "dev"],
      [join(layers, "data"), "data"],
      // What tests hand in from outside, under the same path.
      [tmpdir(), "tmp"],
    ] as const)
      mount("--bind", from, join(root, to));
    image = JSON.parse(buildah(["inspect", "--type", "image", IMAGE])).Docker;
  }, 900_000);
  afterAll(() => {
    // Lazily, because a process that was just killed may still hold a device open.
    if (root) execFileSync("umount", ["--recursive", "--lazy", root]);
    if (container) buildah(["rm", container]);
  });

  /** The image's own command, as its own user, in its own file system. The network is this machine's. */
  const start = (settings: Readonly<Record<string, string>>): ChildProcess => {
    const { User, Env, Entrypoint, Cmd } = image.config;
    const own = Object.fromEntries(Env.map((each) => each.split(/=(.*)/s)));
    const child = spawn(CHROOT, [`--userspec=${User}`, root, ...Entrypoint, ...Cmd], {
      env: { ...own, ...settings },
      stdio: "ignore",
    });
    onTestFinished(() => {
      child.kill("SIGKILL");
      endEngine(join(root, "data/engine/engine.json"));
    });
    return child;
  };

  it("runs as nobody in particular, says when it is healthy, and adds little to its base", () => {
    expect(image.config).toMatchObject({
      User: "1000:1000",
      Entrypoint: ["node", "/app/dist/main.js"],
      Cmd: ["serve"],
    });
    expect(image.config.Healthcheck.Test[0]).toBe("CMD");
    expect(Object.keys(image.config.ExposedPorts)).toEqual(["3333/tcp"]);
    const [bytes] = execFileSync("du", ["--summarize", "--bytes", join(root, "app")], { encoding: "utf8" }).split("\t");
    expect(Number(bytes)).toBeLessThan(MAX_ADDED_BYTES);
  });

  it("holds the command line and what it needs, no sources and no tools", () => {
    const files = readdirSync(join(root, "app"), { recursive: true }).map(String);
    expect(files).toContain("dist/main.js");
    expect(files.filter((file) => /(^|\/)(typescript|esbuild|vitest|aws-cdk|tsx|src)\/?$/.test(file))).toEqual([]);
    expect(readdirSync(root)).not.toContain("source");
    expect(() => writeFileSync(join(root, "app/new"), "")).toThrow(/EROFS/);
  });

  it("refuses to listen without a token", async () => {
    expect(await ended(start({ MCP_STATE_BACKEND: "memory" }))).toBe(2);
  });

  it.each(["local", "memory", "dynamodb"])(
    "serves clients of both eras on the %s backend, and ends on SIGTERM",
    async (backend) => {
      const port = await freePort();
      const server = start({
        MCP_STATE_BACKEND: backend,
        MCP_AUTH_TOKEN: TOKEN,
        PORT: String(port),
        ...(backend === "dynamodb" && (await tableElsewhere())),
      });
      const url = `http://127.0.0.1:${port}`;
      const ready = () => fetch(`${url}/readyz`).then(({ status }) => status, String);
      await expect.poll(ready, { timeout: 60_000 }).toBe(200);
      expect(readFileSync(`/proc/${server.pid}/status`, "utf8")).toMatch(/^Uid:\s1000\s/m);
      expect((await fetch(`${url}/mcp`, { method: "POST" })).status).toBe(401);
      const healthy = spawn(CHROOT, [root, ...image.config.Healthcheck.Test.slice(1)], {
        env: { PATH: "/usr/local/bin", PORT: String(port) },
      });
      expect(await ended(healthy)).toBe(0);
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ["--import", "tsx", "packages/cli/src/main.ts", "doctor", `${url}/mcp`, "--token-env", "TOKEN"],
        { cwd: REPOSITORY, env: { ...process.env, TOKEN } },
      );
      expect(stdout).toContain("All is well.");
      server.kill("SIGTERM");
      expect(await ended(server)).toBe(0);
    },
    180_000,
  );

  it("passes the end-to-end suite: every official client, over HTTP and stdio, through kills", {
    timeout: 600_000,
  }, async () => {
    const { User, Entrypoint } = image.config;
    const command = JSON.stringify([CHROOT, `--userspec=${User}`, root, ...Entrypoint]);
    const vitest = join(REPOSITORY, "node_modules/vitest/vitest.mjs");
    const args = [vitest, "run", "--config", ".config/vitest.config.ts", "wire/end-to-end"];
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      cwd: REPOSITORY,
      env: { ...process.env, END_TO_END_COMMAND: command, END_TO_END_USER: User },
    });
    expect(stdout).toMatch(/8 passed/);
  });
});

/** An engine outside the container, with the table, and what a task on Fargate is told about the real one. */
async function tableElsewhere(): Promise<Record<string, string>> {
  const engine = await startDynalite();
  onTestFinished(() => engine.stop());
  await setupTable(createDynamoDBClient(engine.connection), "state", () => {});
  return {
    MCP_STATE_TABLE: "state",
    DYNAMODB_ENDPOINT_URL: `http://127.0.0.1:${engine.port}`,
    AWS_REGION: "eu-west-1",
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
  };
}

/** The embedded engine outlives its servers for a while. */
function endEngine(record: string): void {
  if (!existsSync(record)) return;
  process.kill(JSON.parse(readFileSync(record, "utf8")).pid, "SIGTERM");
  rmSync(record);
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode;
}
