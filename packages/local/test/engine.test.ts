import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { afterEach, describe, expect, test } from "vitest";
import { connectLocalEngine, LocalEngineError } from "../src/index.ts";
import { Bench, isAlive, kill, killPid, message, names, put, sdkClient, until } from "./support.ts";

const bench = new Bench();
afterEach(() => bench.end());

async function failure(dataDir: string): Promise<string> {
  const error = await connectLocalEngine({ dataDir }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LocalEngineError);
  const text = (error as LocalEngineError).message;
  expect(text).not.toContain("\n");
  return text;
}

describe("one engine per data directory", () => {
  test("ten servers that start at the same moment on a fresh directory share one engine, and all can write", async () => {
    const dataDir = await bench.directory();
    const children = Array.from({ length: 10 }, () => bench.child(dataDir));
    const started = await Promise.all(children.map((child) => message<{ pid: number }>(child)));
    expect(new Set(started.map(({ pid }) => pid)).size).toBe(1);
    await Promise.all(
      children.map(async (child, index) => {
        child.send(`from-${index}`);
        await message(child);
      }),
    );
    const engine = await bench.connect({ dataDir });
    expect(await names(sdkClient(engine))).toHaveLength(10);
  });

  test("only its owner can reach the socket and the data", async () => {
    const engine = await bench.connect({ dataDir: await bench.directory() });
    const directory = join(engine.dataDir, "engine");
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(engine.socketPath)).mode & 0o777).toBe(0o600);
    for (const name of await readdir(join(directory, "db"))) {
      expect((await stat(join(directory, "db", name))).mode & 0o077).toBe(0);
    }
  });

  test("a data directory with a path too long for a socket works, and the short socket is found by others", async () => {
    const dataDir = join(await bench.directory(), "long".repeat(30));
    const first = await bench.connect({ dataDir });
    expect(first.socketPath.startsWith(dataDir)).toBe(false);
    await put(sdkClient(first), "a");
    const second = await bench.connect({ dataDir });
    expect(second.pid).toBe(first.pid);
    await killPid(first.pid);
    expect(await names(sdkClient(second))).toEqual(["a"]);
    await rm(join(second.socketPath, ".."), { recursive: true });
  });

  test("further tables are created by whoever asks for them", async () => {
    const dataDir = await bench.directory();
    await bench.connect({ dataDir });
    const engine = await bench.connect({ dataDir, tables: ["other", "mcp_state"] });
    const answer = await sdkClient(engine).send(
      new UpdateItemCommand({ TableName: "other", Key: { pk: { S: "a" }, sk: { S: "b" } }, ReturnValues: "ALL_NEW" }),
    );
    expect(answer.Attributes).toEqual({ pk: { S: "a" }, sk: { S: "b" } });
  });
});

describe("sudden death", () => {
  test("no acknowledged write is lost when the engine is killed, and the same client goes on", async () => {
    const engine = await bench.connect({ dataDir: await bench.directory() });
    const client = sdkClient(engine);
    const written: string[] = [];
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 50; i++) {
        await put(client, `${round}-${i}`);
        written.push(`${round}-${i}`);
      }
      const { pid } = engine;
      await killPid(pid);
      expect(await names(client)).toEqual(written.sort());
      expect(engine.pid).not.toBe(pid);
    }
  });

  test("writes in flight while the engine is killed succeed after its restart", async () => {
    const engine = await bench.connect({ dataDir: await bench.directory() });
    const client = sdkClient(engine);
    const writes = Array.from({ length: 200 }, (_, i) => put(client, `w${i}`));
    await writes[20];
    process.kill(engine.pid, "SIGKILL");
    await Promise.all(writes);
    expect(await names(client)).toHaveLength(200);
  });

  test("two clients that find the engine dead at the same moment end on one new engine", async () => {
    const dataDir = await bench.directory();
    const engines = await Promise.all([bench.connect({ dataDir }), bench.connect({ dataDir })]);
    await killPid(engines[0].pid);
    await Promise.all(engines.map((engine, index) => put(sdkClient(engine), `${index}`)));
    expect(engines[0].pid).toBe(engines[1].pid);
  });

  test("a server killed in the middle of its start or of a request harms nobody", async () => {
    const dataDir = await bench.directory();
    const child = bench.child(dataDir);
    // The log is the first thing a starting client leaves behind.
    await until(() => stat(join(dataDir, "engine", "engine.log")).then(Boolean, () => false));
    await kill(child);
    const engine = await bench.connect({ dataDir });
    const { pid } = engine;
    const half = connect(engine.socketPath);
    await once(half, "connect");
    half.write(
      "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: 500\r\n\r\n{",
    );
    await put(sdkClient(engine), "before");
    half.destroy();
    half.on("error", () => {});
    await put(sdkClient(engine), "after");
    expect(await names(sdkClient(engine))).toEqual(["after", "before"]);
    expect(engine.pid).toBe(pid);
    expect(isAlive(pid)).toBe(true);
  });

  test("an engine whose socket was deleted gives way to one that can be reached", async () => {
    const dataDir = await bench.directory();
    const first = await bench.connect({ dataDir });
    await put(sdkClient(first), "a");
    await rm(first.socketPath);
    const second = await bench.connect({ dataDir });
    expect(second.pid).not.toBe(first.pid);
    expect(await names(sdkClient(second))).toEqual(["a"]);
    await until(() => !isAlive(first.pid));
  });
});

test("a request that cannot be served any more fails with the engine's own reason", async () => {
  const engine = await bench.connect({ dataDir: await bench.directory() });
  await killPid(engine.pid);
  await truncate(join(engine.dataDir, "engine", "db", "CURRENT"));
  await expect(put(sdkClient(engine), "a")).rejects.toThrow(/^The data in .* is damaged/);
});

describe("idleness", () => {
  test("the engine exits when nobody is connected, and the next request starts it again", async () => {
    const dataDir = await bench.directory();
    const engine = await bench.connect({ dataDir, idleExitSeconds: 0.2 });
    const client = sdkClient(engine);
    const { pid } = engine;
    await put(client, "a");
    await bench.connect({ dataDir }).then((other) => other.close());
    // The pool of this client keeps its connection, so the engine stays.
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(isAlive(pid)).toBe(true);
    engine.agent.destroy();
    await until(() => !isAlive(pid));
    expect(await stat(engine.socketPath).catch((error: NodeJS.ErrnoException) => error.code)).toBe("ENOENT");
    expect(await names(client)).toEqual(["a"]);
    expect(engine.pid).not.toBe(pid);
  });

  test("clients that come and go at the pace of the idle exit never fail", async () => {
    const dataDir = await bench.directory();
    const engine = await bench.connect({ dataDir, idleExitSeconds: 0.05 });
    const client = sdkClient(engine);
    for (let i = 0; i < 15; i++) {
      await put(client, `${i}`);
      engine.agent.destroy();
      await new Promise((resolve) => setTimeout(resolve, 40 + i));
    }
    expect(await names(client)).toHaveLength(15);
  });
});

describe("a directory that cannot be used", () => {
  async function stopped(): Promise<{ dataDir: string; database: string }> {
    const dataDir = await bench.directory();
    const engine = await bench.connect({ dataDir });
    await put(sdkClient(engine), "precious");
    await engine.close();
    await killPid(engine.pid);
    return { dataDir, database: join(engine.dataDir, "engine", "db") };
  }

  async function contents(directory: string): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const name of await readdir(directory)) {
      // LevelDB rotates its own notes, LOG and LOG.old, at every attempt.
      if (!name.startsWith("LOG")) found[name] = await readFile(join(directory, name), "base64");
    }
    return found;
  }

  const damages: Record<string, (database: string) => Promise<void>> = {
    "an emptied CURRENT": (database) => truncate(join(database, "CURRENT")),
    "a CURRENT that names nothing": (database) => writeFile(join(database, "CURRENT"), "MANIFEST-999999\n"),
    "a missing CURRENT": (database) => rm(join(database, "CURRENT")),
    "an overwritten MANIFEST": async (database) => {
      const manifest = (await readdir(database)).find((name) => name.startsWith("MANIFEST"));
      await writeFile(join(database, manifest ?? ""), "x".repeat(200));
    },
  };
  test.for(Object.entries(damages))("%s gives one line and changes nothing", async ([, damage]) => {
    const { dataDir, database } = await stopped();
    await damage(database);
    const before = await contents(database);
    const text = await failure(dataDir);
    expect(text).toMatch(/damaged|cannot be opened/);
    expect(text).toContain(database);
    expect(text).toMatch(/restore it from a backup|correct that/);
    expect(await contents(database)).toEqual(before);
  });

  test("data of a newer format is refused", async () => {
    const { dataDir } = await stopped();
    await writeFile(join(dataDir, "engine", "format"), "2\n");
    expect(await failure(dataDir)).toMatch(/has format "2", and this version reads format 1/);
  });

  test("a database held by a process that serves nobody is named", async () => {
    const { dataDir, database } = await stopped();
    const level = fileURLToPath(import.meta.resolve("level", import.meta.resolve("dynalite")));
    const script = `const { Level } = require(${JSON.stringify(level)}); new Level(process.argv[1]).open().then(() => process.stdout.write("open")); setInterval(() => {}, 1000)`;
    const holder = spawn(process.execPath, ["-e", script, database], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      await once(holder.stdout, "data");
      expect(await failure(dataDir)).toMatch(/holds .* but cannot be reached: end that process/);
    } finally {
      await kill(holder);
    }
  });

  test("an entry that cannot be started, or ends at once, is reported with its reason", async () => {
    const dataDir = await bench.directory();
    await expect(connectLocalEngine({ dataDir, entry: { command: "/nonexistent", args: [] } })).rejects.toThrow(
      /cannot be started with \/nonexistent/,
    );
    await expect(
      connectLocalEngine({ dataDir, entry: { command: process.execPath, args: ["-e", "process.exit(3)"] } }),
    ).rejects.toThrow(/ended while it started \(exit code 3\): see .*engine\.log/);
  });

  test("a log of more than a megabyte starts anew", async () => {
    const { dataDir } = await stopped();
    const log = join(dataDir, "engine", "engine.log");
    await appendFile(log, "x".repeat(1_100_000));
    await bench.connect({ dataDir });
    expect((await stat(log)).size).toBeLessThan(10_000);
  });
});
