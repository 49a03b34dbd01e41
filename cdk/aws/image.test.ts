// The Dockerfile, built without Docker, and the server in the image, used by clients over HTTP.
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { REPOSITORY } from "../test/synthesis.ts";
import { baseImageOf, makeBaseImage } from "./base-image.ts";
import { missing } from "./programs.ts";

const IMAGE = "localhost/stateful-mcp-test";
const DOCKERFILE = join(REPOSITORY, "packages/cli/Dockerfile");
const TOKEN = "0123456789abcdef0123456789abcdef";
/** Of what the image adds to its base. */
const MAX_ADDED_BYTES = 20_000_000;

const reason =
  missing("buildah") ?? (process.getuid?.() === 0 ? undefined : "buildah needs root here, for its chroot isolation");

const env = { ...process.env, BUILDAH_ISOLATION: "chroot" };
const buildah = (args: string[]): string =>
  execFileSync("buildah", args, {
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 * 1_048_576,
  });

describe.skipIf(reason !== undefined)(`the image${reason === undefined ? "" : ` (SKIPPED: ${reason})`}`, () => {
  const base = baseImageOf(DOCKERFILE);
  let container: string;
  beforeAll(() => {
    makeBaseImage(buildah, base, process.execPath);
    buildah(["build", "--pull=never", "--format", "docker", "--file", DOCKERFILE, "--tag", IMAGE, REPOSITORY]);
    container = buildah(["from", "--pull=never", IMAGE]).trim();
  }, 900_000);
  afterAll(() => {
    if (container) buildah(["rm", container]);
  });

  it("runs as nobody in particular, says when it is healthy, and adds little to its base", () => {
    const inspect = (image: string) => JSON.parse(buildah(["inspect", "--type", "image", image])).Docker;
    const { config, size } = inspect(IMAGE);
    expect(config).toMatchObject({ User: "1000:1000", Entrypoint: ["node", "/app/dist/main.js"], Cmd: ["serve"] });
    expect(config.Healthcheck.Test[0]).toBe("CMD");
    expect(Object.keys(config.ExposedPorts)).toEqual(["3333/tcp"]);
    expect(size - inspect(base).size).toBeLessThan(MAX_ADDED_BYTES);
  });

  it("holds the command line and what it needs, no sources and no tools", () => {
    const files = buildah(["run", container, "--", "node", "-e", LIST_FILES]).trim().split("\n");
    expect(files).toContain("/app/dist/main.js");
    expect(files.filter((file) => /\/(typescript|esbuild|vitest|aws-cdk|tsx)\//.test(file))).toEqual([]);
    expect(files.filter((file) => file.startsWith("/source"))).toEqual([]);
  });

  it("refuses to listen without a token", async () => {
    const server = start(container, { MCP_STATE_BACKEND: "memory" });
    expect(await ended(server)).toBe(2);
  });

  it.each(["local", "memory"])(
    "serves clients of both eras on the %s backend, and ends on SIGTERM",
    async (backend) => {
      const port = await freePort();
      const settings = { MCP_STATE_BACKEND: backend, MCP_AUTH_TOKEN: TOKEN, PORT: String(port) };
      const server = start(container, settings);
      try {
        const url = `http://127.0.0.1:${port}`;
        await expect
          .poll(
            () =>
              fetch(`${url}/readyz`).then(
                ({ status }) => status,
                () => 0,
              ),
            { timeout: 60_000 },
          )
          .toBe(200);
        expect((await fetch(`${url}/mcp`, { method: "POST" })).status).toBe(401);
        const { stdout } = await promisify(execFile)(
          process.execPath,
          ["--import", "tsx", "packages/cli/src/main.ts", "doctor", `${url}/mcp`, "--token", TOKEN],
          { cwd: REPOSITORY },
        );
        expect(stdout).toContain("All is well.");
        expect(buildah(["run", container, "--", "node", "-e", "process.stdout.write(String(process.getuid()))"])).toBe(
          "1000",
        );
      } finally {
        server.kill("SIGTERM");
      }
      expect(await ended(server)).toBe(0);
    },
  );
});

const LIST_FILES = `
  const { globSync } = require("node:fs");
  for (const root of ["/app", "/source"]) for (const file of globSync(root + "/**")) console.log(file);
`;

/** The image's own command, in a container of it. The network is this machine's. */
function start(container: string, settings: Readonly<Record<string, string>>): ChildProcess {
  const variables = Object.entries(settings).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
  return spawn("buildah", ["run", ...variables, container, "--", "node", "/app/dist/main.js", "serve"], {
    env,
    stdio: "ignore",
  });
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null) await once(child, "exit");
  return child.exitCode;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
