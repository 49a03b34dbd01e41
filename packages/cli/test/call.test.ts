// Tools at a terminal: no server runs, and the answer is what a client would get.
import { once } from "node:events";
import { mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { freePort } from "@stateful-mcp/rig";
import { expect, it, onTestFinished } from "vitest";
import { run, temporaryDirectory } from "./process.ts";

it("calls a tool on the state that clients use, and prints what it answers", async () => {
  const env = { MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: temporaryDirectory() };
  const added = await run(["call", "add_note", "note=Deploy on Tuesday."], { env });
  expect([added.code, added.stderr]).toEqual([0, ""]);
  const read = await run(["call", "get_notes"], { env });
  expect(JSON.parse(read.stdout)).toEqual({ session_id: "default", notes: ["Deploy on Tuesday."] });
});

it("says what is wrong with a call in one line", async () => {
  for (const [words, expected] of [
    [["call", "add_nte"], "There is no tool"],
    [["call", "add_note", "note"], "key=value"],
    [["call", "add_note"], "note"],
  ] as const) {
    const { code, stdout, stderr } = await run([...words]);
    expect([stdout, stderr.trim().split("\n").length]).toEqual(["", 1]);
    expect(stderr).toContain(expected);
    expect(code).not.toBe(0);
  }
});

it("lists tools with their arguments", async () => {
  const { code, stdout } = await run(["tools"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^add_note\(note, session_id\?, idempotency_key\?\)\n {2}\S/m);
});

it.each(["inspect", "doctor"])("%s says in plain words that nothing listens, and ends with 3", async (command) => {
  const { code, stdout, stderr } = await run([command, `http://127.0.0.1:${await freePort()}/mcp`]);
  expect(stderr).toMatch(/^stateful-mcp: Nothing listens at 127\.0\.0\.1:\d+\. To start one here: .* serve\n$/);
  expect([code, stdout]).toEqual([3, ""]);
});

it.skipIf(process.platform === "win32")(
  "inspect starts npx at home, not in a folder whose packages it would run",
  async () => {
    const server = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const [home, bin] = [temporaryDirectory(), join(temporaryDirectory(), "bin")];
    mkdirSync(bin);
    writeFileSync(join(bin, "npx"), "#!/bin/sh\npwd -P\n", { mode: 0o755 });
    const env = { HOME: home, PATH: `${bin}:${process.env.PATH}` };
    const { stdout, stderr } = await run(["inspect", `http://127.0.0.1:${port}/mcp`], { env });
    expect([stdout, stderr]).toEqual([`${realpathSync(home)}\n`, ""]);
  },
);
