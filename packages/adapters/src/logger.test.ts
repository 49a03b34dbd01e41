import { expect, it } from "vitest";
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
