import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { createLogger } from "./logger.ts";

const capture = (level: "debug" | "info") => {
  const lines: string[] = [];
  const logger = createLogger({ level, environment: "test", stream: { write: (line) => void lines.push(line) } });
  return { logger, lines };
};

it("writes one JSON object per line with ISO time, level word, message, service and environment", () => {
  const { logger, lines } = capture("info");
  logger.info({ tool: "add_note", duration_ms: 3 }, "call");
  expect(lines).toHaveLength(1);
  const { timestamp, ...rest } = JSON.parse(lines[0]!);
  expect(new Date(timestamp).toISOString()).toBe(timestamp);
  expect(rest).toEqual({
    level: "info",
    message: "call",
    service: "stateful-mcp",
    environment: "test",
    tool: "add_note",
    duration_ms: 3,
  });
});

it("leaves out what is less severe than its level", () => {
  const { logger, lines } = capture("info");
  logger.debug({}, "detail");
  expect(lines).toEqual([]);
});

it("masks what is named like a credential", () => {
  const { logger, lines } = capture("debug");
  const secret = "canary-0123456789";
  logger.warn(
    { authorization: secret, headers: { authorization: secret }, request: { headers: { cookie: secret } } },
    "x",
  );
  logger.error({ token: secret, config: { tokens: secret, password: secret } }, "y");
  expect(lines.join("")).not.toContain("canary");
  expect(lines.join("").match(/\[redacted\]/g)).toHaveLength(6);
});

it("shows an error with its stack and its cause", () => {
  const { logger, lines } = capture("info");
  logger.error({ err: new Error("outer", { cause: new Error("inner") }) }, "failed");
  const { err } = JSON.parse(lines[0]!);
  expect(err.message).toContain("outer");
  expect(err.stack).toContain("inner");
});

it("shows a field that has no JSON for what it is, and the rest of the line", () => {
  const { logger, lines } = capture("info");
  const circle: Record<string, unknown> = { token: "canary" };
  circle.self = circle;
  logger.info({ circle, large: 10n, inner: [1n], none: undefined, tool: "echo" }, "call");
  const line = JSON.parse(lines[0]!);
  expect(line).toMatchObject({ large: "10", inner: ["1"], tool: "echo", message: "call" });
  expect(line.circle).toMatch(/^cannot be shown/);
  expect(lines[0]).not.toContain("canary");
});

describe("lines on stderr are complete and in order", () => {
  const LINES = 5_000;
  const ends = {
    "ends by itself": ["", 0],
    "calls process.exit in the same turn": ["process.exit(3)", 3],
    "crashes in the same turn": ["throw new Error('crash')", 1],
    "is ended by a signal that it handles": [
      "process.on('SIGTERM', () => process.exit(4)); process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 60_000)",
      4,
    ],
  } as const;

  /** Runs a program that logs and then ends, reads slowly what it writes, and resolves to that. */
  async function run(program: string) {
    const module = new URL("./logger.ts", import.meta.url).href;
    const source = `
      const { createLogger } = await import(${JSON.stringify(module)});
      const logger = createLogger({ level: "info", environment: "test" });
      ${program}`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const exited = once(child, "exit");
    let written = "";
    for await (const chunk of child.stderr.setEncoding("utf8")) {
      written += chunk;
      await new Promise(setImmediate);
    }
    const [code] = await exited;
    const lines = written.split("\n").filter((line) => line.startsWith("{"));
    return { code, lines: lines.map((line) => JSON.parse(line) as { at: number; level: string }) };
  }

  const inOrder = Array.from({ length: LINES }, (_, at) => at);
  it.each(Object.entries(ends))("of a process that %s", async (_, [end, expected]) => {
    const { code, lines } = await run(`for (let at = 0; at < ${LINES}; at++) logger.info({ at }, "line"); ${end}`);
    expect(code).toBe(expected);
    expect(lines.map(({ at }) => at)).toEqual(inOrder);
  });

  it("under a reader that is slower than they are written, and across turns and levels", async () => {
    // Node makes the pipe one that takes no more than it can once its own stream for it is used.
    const program = `
      process.stderr.write("begins\\n");
      for (let at = 0; at < ${LINES}; at++) {
        logger[at % 7 === 0 ? "warn" : "info"]({ at, filler: "x".repeat(200) }, "line");
        if (at % 50 === 0) await new Promise(setImmediate);
      }`;
    const { code, lines } = await run(program);
    expect(code).toBe(0);
    expect(lines.map(({ at }) => at)).toEqual(inOrder);
  });

  it("and a process whose reader has gone goes on", async () => {
    const module = new URL("./logger.ts", import.meta.url).href;
    const source = `
      const { createLogger } = await import(${JSON.stringify(module)});
      const logger = createLogger({ level: "info", environment: "test" });
      await new Promise((resolve) => process.stdin.once("data", resolve));
      logger.error({}, "first"); logger.info({}, "second");
      process.stdout.write("still here");
      process.exit(0);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", source], { stdio: "pipe" });
    child.stderr.destroy();
    child.stdin.end("go");
    expect(await text(child.stdout)).toBe("still here");
  });
});
