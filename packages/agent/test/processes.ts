// A real server and real agents for the tests, each a process of its own, and a wire between them that can break.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ServerProcess } from "@stateful-mcp/rig";
import { onTestFinished } from "vitest";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const TSX = ["--import", import.meta.resolve("tsx")];
export const TOKEN = "0123456789abcdef0123456789abcdef";

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "agent-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

/** Starts a server that asks for `TOKEN`. Resolves with its MCP endpoint. */
export async function startServer(env: Record<string, string> = {}): Promise<URL> {
  const cwd = temporaryDirectory();
  const server = await ServerProcess.start({
    command: process.execPath,
    args: [...TSX, path("../../cli/src/main.ts"), "serve", "--port", "0"],
    cwd,
    env: { HOME: cwd, MCP_STATE_BACKEND: "memory", MCP_AUTH_TOKEN: `alice=${TOKEN}`, LOG_LEVEL: "info", ...env },
    ready: /"url":"http:/,
  });
  onTestFinished(() => server.kill());
  return new URL(/"url":"(http:[^"]+)"/.exec(server.readyLine)?.[1] ?? "");
}

export interface Agent {
  /** Enters a line. */
  say(text: string): void;
  /** Ends the input, as Ctrl-D does. */
  end(): void;
  kill(signal: NodeJS.Signals): void;
  /** Resolves with the match once stdout has it; throws when the agent ends before. */
  shown(pattern: RegExp): Promise<RegExpMatchArray>;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

/** Why there can be no agent on a terminal here; undefined where there can. */
export const terminalMissing = (): string | undefined =>
  spawnSync("script", ["--version"], { encoding: "utf8" }).stdout?.includes("util-linux")
    ? undefined
    : "util-linux's `script` is not installed";

const AGENT = [process.execPath, ...TSX, path("../src/main.ts")] as const;

/** Which token the agent is told to send, unless its command line names another. */
const TOLD = ["--token-env", "MCP_AUTH_TOKEN"] as const;

export function startAgent(
  commandLine: readonly string[],
  env: Record<string, string> = {},
  told: readonly string[] = TOLD,
): Agent {
  const [command, ...args] = AGENT;
  return follow(command, [...args, ...told, ...commandLine], env);
}

/** On a terminal of its own, which `script` makes and ends with itself. */
export const startAgentOnTerminal = (commandLine: readonly string[]): Agent =>
  follow("script", ["-qefc", [...AGENT, ...TOLD, ...commandLine].join(" "), "/dev/null"], {});

function follow(command: string, args: readonly string[], env: Record<string, string>): Agent {
  const cwd = temporaryDirectory();
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, MCP_AUTH_TOKEN: `alice=${TOKEN}`, ...env },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const seen = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      seen[name] += text;
      child.emit("seen");
    });
  }
  child.stdin.on("error", () => {});
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, ...seen }));
  return {
    say: (text) => void child.stdin.write(`${text}\n`),
    end: () => void child.stdin.end(),
    kill: (signal) => void child.kill(signal),
    ended,
    shown: async (pattern) => {
      for (;;) {
        const match = seen.stdout.match(pattern);
        if (match) return match;
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error(`ended before ${pattern}: ${seen.stdout}${seen.stderr}`);
        await Promise.race([once(child, "seen"), ended]);
      }
    },
  };
}

/** Runs an agent to the end of what the user enters. */
export async function converse(
  commandLine: readonly string[],
  inputs: readonly string[],
  env?: Record<string, string>,
  told?: readonly string[],
) {
  const agent = startAgent(commandLine, env, told);
  for (const input of inputs) agent.say(input);
  agent.end();
  return await agent.ended;
}

/** Calls a tool with plain JSON, as a bystander. */
export async function callTool(mcp: URL, name: string, input: object): Promise<Record<string, unknown>> {
  const response = await fetch(new URL("/mcp/call_tool", mcp), {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify({ name, arguments: input }),
  });
  const body = (await response.json()) as { result: Record<string, unknown> };
  return body.result;
}

export interface Wire {
  readonly url: URL;
  /** Resolves when the server has carried out a call that `loses` chose, and its answer is lost. */
  readonly lost: Promise<void>;
  /** Bodies of the calls that were chosen. */
  readonly chosen: string[];
}

/** Chooses the calls of one tool. */
export const callsOf =
  (tool: string) =>
  (body: string): boolean =>
    body !== "" && JSON.parse(body).params?.name === tool;

/**
 * Stands between agent and server. Requests pass; of the first that `loses` chooses the server's answer is lost after the
 * call took effect: the connection is reset, or with `silent` stays open and says nothing.
 */
export async function startWire(server: URL, loses: (body: string) => boolean, silent = false): Promise<Wire> {
  const chosen: string[] = [];
  const lost = Promise.withResolvers<void>();
  const pass = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const body = (await incoming.setEncoding("utf8").toArray()).join("");
    const upstream = request(new URL(incoming.url ?? "/", server), {
      method: incoming.method ?? "GET",
      headers: { ...incoming.headers, host: server.host },
    });
    upstream.end(body);
    const [answer] = (await once(upstream, "response")) as [IncomingMessage];
    const isChosen = loses(body);
    if (isChosen) chosen.push(body);
    if (!isChosen || chosen.length > 1) {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
      return;
    }
    await answer.toArray();
    if (!silent) outgoing.destroy();
    lost.resolve();
  };
  const wire = createServer((incoming, outgoing) => void pass(incoming, outgoing).catch(() => outgoing.destroy()));
  wire.listen(0, "127.0.0.1");
  await once(wire, "listening");
  onTestFinished(() => {
    wire.closeAllConnections();
    wire.close();
  });
  const { port } = wire.address() as AddressInfo;
  return { url: new URL(`http://127.0.0.1:${port}/mcp`), lost: lost.promise, chosen };
}
