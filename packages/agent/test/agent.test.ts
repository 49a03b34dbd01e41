import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  callsOf,
  callTool,
  converse,
  startAgent,
  startAgentOnTerminal,
  startServer,
  startWire,
  TOKEN,
  temporaryDirectory,
  terminalMissing,
} from "./processes.ts";

function writeScript(replies: readonly object[]): string[] {
  const file = join(temporaryDirectory(), "script.json");
  writeFileSync(file, JSON.stringify(replies));
  return ["--model", "scripted", "--script", file];
}

const increment = { name: "increment_value", input: { key: "turns" } };
const THREE_TURNS = [
  { text: "First. ", calls: [increment] },
  { text: "One is {result}" },
  { text: "Second. ", calls: [increment] },
  { text: "Two is {result}" },
  { text: "Third. ", calls: [increment] },
  { text: "Three is {result}" },
];
const sessionOf = (stdout: string) => /--resume (ses_\w+)/.exec(stdout)?.[1] ?? "";
const workspaceOf = async (server: URL, session: string) =>
  String((await callTool(server, "get_value", { session_id: session, key: "workspace" })).value);

describe("a conversation", () => {
  it("streams text, shows calls with arguments and results, and is plain without a terminal", async () => {
    const server = await startServer();
    const { code, stdout, stderr } = await converse(
      ["--url", server.href, "--model", "scripted"],
      ["hello", "what do you know?", "break something"],
    );
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain('→ add_note(note: "The user tried the sample agent.")');
    expect(stdout).toMatch(/✓ .*"count":1/);
    expect(stdout).toMatch(/These are my notes: .*The user tried the sample agent/);
    expect(stdout).not.toContain("\u001b");
    expect(stdout).not.toContain(TOKEN);
  });

  it("is killed after a call took effect, and continued: every turn counts once", async () => {
    const server = await startServer();
    let increments = 0;
    const wire = await startWire(server, (body) => callsOf("increment_value")(body) && ++increments === 2, true);
    const script = writeScript(THREE_TURNS);
    const agent = startAgent(["--url", wire.url.href, ...script]);
    agent.say("one");
    agent.say("two");
    await wire.lost;
    agent.kill("SIGKILL");
    const { stdout: before } = await agent.ended;
    const session = sessionOf(before);
    expect(before).toMatch(/One is .*"value":1/);
    expect(before).not.toContain("Two is");
    const workspace = await workspaceOf(server, session);
    // The second call has happened, and nobody has heard of it.
    expect(await callTool(server, "get_value", { session_id: workspace, key: "turns" })).toMatchObject({ value: 2 });

    const continued = await converse(["--url", server.href, ...script, "--resume", session], ["three"]);
    expect([continued.code, continued.stderr]).toEqual([0, ""]);
    expect(continued.stdout).toContain("The last turn was cut off");
    expect(continued.stdout).toMatch(/Two is .*"value":2/);
    expect(continued.stdout).toMatch(/Three is .*"value":3/);
    expect(await callTool(server, "get_value", { session_id: workspace, key: "turns" })).toMatchObject({ value: 3 });
  });

  it("sends a call again under its key when the connection breaks", async () => {
    const server = await startServer();
    const wire = await startWire(server, callsOf("increment_value"));
    const { code, stdout } = await converse(["--url", wire.url.href, ...writeScript(THREE_TURNS.slice(0, 2))], ["one"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/One is .*"value":1/);
    const keys = wire.chosen.map((body) => JSON.parse(body).params.arguments.idempotency_key);
    expect(keys).toEqual([keys[0], keys[0]]);
    expect(keys[0]).toMatch(/^ses_/);
  });

  it("tells the model what a failing tool said, and that a tool does not exist, and goes on", async () => {
    const server = await startServer();
    const script = writeScript([
      { calls: [{ name: "increment_value", input: { key: "" } }, { name: "no_such_tool" }] },
      { text: "I see: {result}" },
      { text: "Still here." },
    ]);
    const { code, stdout } = await converse(["--url", server.href, ...script], ["fail", "and now?"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/✗ key must be 1 to 256 bytes/);
    expect(stdout).toMatch(/I see: key must be .* There is no tool no_such_tool; there are create_session/);
    expect(stdout).toContain("Still here.");
  });

  it("stops a turn after its rounds, and takes the next", async () => {
    const server = await startServer();
    const script = writeScript([...Array(4).fill({ calls: [increment] }), { text: "Rested." }]);
    const { code, stdout } = await converse(
      ["--url", server.href, ...script, "--max-rounds", "3"],
      ["count for ever", "again"],
    );
    expect(code).toBe(0);
    expect(stdout).toContain("(stopped after 3 rounds of tool calls)");
    const workspace = await workspaceOf(server, sessionOf(stdout));
    expect(await callTool(server, "get_value", { session_id: workspace, key: "turns" })).toMatchObject({ value: 3 });
  });

  it("ends the turn and not the program at Ctrl-C", async () => {
    const server = await startServer();
    const wire = await startWire(server, callsOf("increment_value"), true);
    const script = writeScript([{ calls: [increment] }, { text: "(never said)" }, { text: "Back again." }]);
    const agent = startAgent(["--url", wire.url.href, ...script]);
    agent.say("hang");
    await wire.lost;
    agent.kill("SIGINT");
    await agent.shown(/\(stopped by the user\)/);
    agent.say("are you there?");
    agent.end();
    const { code, stdout } = await agent.ended;
    expect(code).toBe(0);
    expect(stdout).toContain("Back again.");
  });

  it("refuses to add to a conversation that another agent has continued", async () => {
    const server = await startServer();
    const script = writeScript([{ text: "Hello." }, { text: "Hello again." }]);
    const first = startAgent(["--url", server.href, ...script]);
    first.say("one");
    await first.shown(/Hello\./);
    const [, session] = await first.shown(/--resume (ses_\w+)/);
    expect((await converse(["--url", server.href, ...script, "--resume", session ?? ""], ["two"])).code).toBe(0);
    first.say("three");
    first.end();
    const { code, stdout } = await first.ended;
    expect(code).toBe(1);
    expect(stdout).toContain(
      `Another agent has continued this conversation. Take it up again with --resume ${session}`,
    );
  });
});

describe("a tool that asks before it acts", () => {
  const CONFIRMING = { STATEFUL_MCP_CONFIRM: "reset_session" };
  const script = () =>
    writeScript([
      { calls: [{ name: "add_note", input: { note: "keep me" } }] },
      { calls: [{ name: "reset_session", input: { confirm: true } }] },
      { text: "The tool said: {result}" },
    ]);
  const notesIn = async (server: URL, stdout: string) =>
    (await callTool(server, "get_notes", { session_id: await workspaceOf(server, sessionOf(stdout)) })).notes;

  it("is declined where there is no terminal, whatever the model says", async () => {
    const server = await startServer(CONFIRMING);
    const { code, stdout } = await converse(["--url", server.href, ...script()], ["forget everything"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\? .*This cannot be undone/);
    expect(stdout).toContain("declined: without a terminal nobody can be asked");
    expect(stdout).toMatch(/The tool said: .*was not confirmed, so nothing was done/);
    expect(await notesIn(server, stdout)).toEqual(["keep me"]);
  });

  const missing = terminalMissing();
  describe.skipIf(missing)(`on a terminal${missing === undefined ? "" : ` (SKIPPED: ${missing})`}`, () => {
    /** Up to the question. */
    const asked = async (server: URL) => {
      const agent = startAgentOnTerminal(["--url", server.href, ...script()]);
      await agent.shown(/--resume ses_\w+/);
      agent.say("forget everything");
      await agent.shown(/Answer\? yes, no, or cancel/);
      return agent;
    };

    it("is put to the person with its fields, and acts when they agree", async () => {
      const server = await startServer(CONFIRMING);
      const agent = await asked(server);
      agent.say("perhaps");
      await agent.shown(/perhaps\s[\s\S]*Answer\?/);
      agent.say("yes");
      await agent.shown(/Yes, do it\. \(yes or no\): /);
      agent.say("maybe");
      await agent.shown(/must be boolean/);
      agent.say("yes");
      // The end of the input ends a turn that is under way: the next prompt shows that this one is over.
      await agent.shown(/The tool said: .*"cleared":1[\s\S]*›/);
      agent.end();
      const { code, stdout } = await agent.ended;
      expect(code).toBe(0);
      expect(await notesIn(server, stdout)).toEqual([]);
    });

    it.each(["no", "cancel"])("does nothing when they answer %s", async (answer) => {
      const server = await startServer(CONFIRMING);
      const agent = await asked(server);
      agent.say(answer);
      const [shown] = await agent.shown(/[\s\S]*The tool said: .*was not confirmed, so nothing was done/);
      expect(await notesIn(server, shown)).toEqual(["keep me"]);
    });

    it("does nothing when Ctrl-C ends the turn, and takes the next", async () => {
      const server = await startServer(CONFIRMING);
      const agent = await asked(server);
      agent.say("\u0003");
      const [shown] = await agent.shown(/[\s\S]*\(stopped by the user\)/);
      agent.say("are you there?");
      await agent.shown(/My script ends here|The tool said/);
      expect(await notesIn(server, shown)).toEqual(["keep me"]);
    });
  });
});

describe("the command line", () => {
  it("says what to do without a server, with a wrong token, and with a session that does not exist", async () => {
    const server = await startServer();
    const scripted = ["--model", "scripted", "--url"];
    const nobody = await converse([...scripted, "http://127.0.0.1:9/mcp"], []);
    const wrong = { MY_TOKEN: "no-token-of-that-server" };
    const stranger = await converse([...scripted, server.href, "--token-env", "MY_TOKEN"], [], wrong);
    const unknown = await converse([...scripted, server.href, "--resume", "ses_00000000000000000000000000"], []);
    for (const { code, stderr } of [nobody, stranger, unknown]) {
      expect([code, stderr.trim().split("\n").length]).toEqual([1, 1]);
    }
    expect(nobody.stderr).toContain("No MCP server answers at http://127.0.0.1:9/mcp");
    expect(stranger.stderr).toContain("--token-env");
    expect(unknown.stderr).toContain("ses_00000000000000000000000000");
  });

  it.each([`alice:read+write=${TOKEN}`, `{"alice":"${TOKEN}"}`, `alice=${TOKEN},bob=${TOKEN}b`])(
    "sends the first token of what the server is configured with: %j",
    async (configured) => {
      const server = await startServer({ MCP_AUTH_TOKEN: configured });
      const { code, stderr } = await converse(["--model", "scripted", "--url", server.href], ["hello"], {
        MCP_AUTH_TOKEN: configured,
      });
      expect([code, stderr]).toEqual([0, ""]);
    },
  );

  it("sends no token unasked, to this machine neither, and takes none among its arguments", async () => {
    const seen: (string | undefined)[] = [];
    const stranger = createServer(({ headers }, response) => {
      seen.push(headers.authorization);
      response.writeHead(401).end();
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void stranger.close());
    await once(stranger, "listening");
    const { port } = stranger.address() as AddressInfo;
    const sentTo = async (host: string, ...more: string[]) => {
      seen.length = 0;
      const url = `http://${host}:${port}/mcp`;
      const { stderr } = await converse(["--model", "scripted", "--url", url], [], {}, more);
      expect(stderr).toContain("--token-env");
      return [...new Set(seen)];
    };
    // Another user of this machine may listen where the server is not.
    for (const host of ["127.0.0.1", "localhost", "0.0.0.0"]) expect(await sentTo(host)).toEqual([undefined]);
    expect(await sentTo("127.0.0.1", "--token-env", "MCP_AUTH_TOKEN")).toEqual([`Bearer ${TOKEN}`]);
    const argument = await converse(["--model", "scripted", "--token", TOKEN], []);
    expect(argument.code).toBe(2);
    const unset = await converse(["--model", "scripted", "--token-env", "NOT_SET"], []);
    expect([unset.code, unset.stderr]).toEqual([1, expect.stringContaining("NOT_SET")]);
  });

  it("ends with 2 for what it cannot understand, and asks for a model", async () => {
    for (const commandLine of [
      [],
      ["--model", "scripted", "--url", "x"],
      ["--model", "scripted", "--max-rounds", "0"],
    ]) {
      const { code, stdout, stderr } = await converse(commandLine, []);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toContain("Without an account: --model scripted.");
    }
  });

  it("names a script that is none", async () => {
    const server = await startServer();
    const { code, stderr } = await converse(["--url", server.href, ...writeScript([{ speech: "?" }])], []);
    expect(code).toBe(1);
    expect(stderr).toMatch(/The script .*script\.json cannot be used/);
  });
});
