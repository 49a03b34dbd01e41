import { Writable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { expect, it } from "vitest";
import { createLogger } from "../logger.ts";
import { terminalStream } from "./terminal.ts";

function terminal() {
  const written: string[] = [];
  const stream = new Writable({
    write(chunk, _, done) {
      written.push(String(chunk));
      done();
    },
  });
  const logger = createLogger({ level: "info", environment: "test", stream: terminalStream(stream) });
  // Without colours and times.
  const lines = () => written.map((line) => stripVTControlCharacters(line).replace(/^\[[\d:]+\] /, ""));
  return { logger, lines };
}

const CALL = {
  request_id: "5f0c",
  transport: "http",
  era: "modern",
  method: "tools/call",
  tool: "add_note",
  duration_ms: 2.7,
};

it("tells a call in one short line", async () => {
  const { logger, lines } = terminal();
  logger.info({ ...CALL, principal: "p1", session: "plan", client: "claude-code", outcome: "ok" }, "call");
  await expect.poll(lines).toEqual(["INFO: add_note ok in 3 ms, session plan, by claude-code\n"]);
});

it("gives the id of a call that failed, and of other lines about a request", async () => {
  const { logger, lines } = terminal();
  logger.info({ ...CALL, outcome: "conflict" }, "call");
  logger.error({ request_id: "5f0c", table: "mcp_state" }, "The table is gone");
  await expect
    .poll(lines)
    .toEqual(["INFO: add_note conflict in 3 ms, 5f0c\n", 'ERROR: The table is gone (5f0c) {"table":"mcp_state"}\n']);
});

it("shows the fields of every other line on the same line", async () => {
  const { logger, lines } = terminal();
  logger.warn({ reason: "origin", remote: "127.0.0.1" }, "Refused");
  await expect.poll(lines).toEqual(['WARN: Refused {"reason":"origin","remote":"127.0.0.1"}\n']);
});

it("shows what a program says of itself as text: no command to the terminal, and no line of its own", async () => {
  const { logger, lines } = terminal();
  const given = "A\u001b]0;title\u0007\u009b2J\u202e\nERROR: made up";
  const shown = String.raw`A\u001b]0;title\u0007\u009b2J\u202e\u000aERROR: made up`;
  logger.info({ ...CALL, client: given, outcome: "ok" }, "call");
  logger.warn({ origin: given }, "refused");
  logger.error({ err: new Error(given) }, given);
  await expect.poll(lines).toHaveLength(3);
  const [call, refused, error = ""] = lines();
  expect(call).toBe(`INFO: add_note ok in 3 ms, by ${shown}\n`);
  expect(refused).toBe(`WARN: refused {"origin":"${shown}"}\n`);
  expect(error).toContain(`ERROR: ${shown}`);
  expect(error).not.toMatch(/(?!\n)\p{Cc}|\u202e|^ERROR: made up/mu);
});
