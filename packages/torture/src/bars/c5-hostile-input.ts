// C5: every input is answered with a 4xx or a JSON-RPC error; nothing crashes or hangs, and a good request works afterwards.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { freePort, type Random, ServerProcess } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import { type HostileRequest, hostileBytes, hostileRequest, OPEN_SESSION } from "../hostile.ts";
import { serveFromCheckout } from "../serve-from-checkout.ts";

/** An answer that has not come by then is a hang: the server's own limits are far below. */
const HANG_MS = 20_000;
const LANES = 16;
const GOOD_EVERY = 250;
const BYTES_SHARE = 0.02;

/** What this server says when it meets a bug of its own. (-32603 alone does not: the SDK answers a malformed initialize with it.) */
const INTERNAL = /failed inside the server|"code":"internal"/;

interface Reply {
  readonly status: number;
  readonly text: string;
}

function send(port: number, agent: Agent, hostile: HostileRequest): Promise<Reply | "closed" | "hung"> {
  return new Promise((resolve) => {
    const { method, path, headers, body } = hostile;
    const length = body === undefined ? {} : { "content-length": String(body.length) };
    const outgoing = request({
      host: "127.0.0.1",
      port,
      agent,
      method,
      path: encodeURI(path),
      headers: { host: "localhost", ...headers, ...length },
    });
    const timer = setTimeout(() => {
      outgoing.destroy();
      resolve("hung");
    }, HANG_MS);
    const done = (outcome: Reply | "closed") => {
      clearTimeout(timer);
      resolve(outcome);
    };
    outgoing.on("response", (incoming) => {
      let text = "";
      incoming.setEncoding("utf8");
      incoming.on("data", (chunk: string) => {
        text += chunk;
      });
      // A stream for change notifications stays open on purpose: its first bytes are its answer.
      if (incoming.headers["content-type"]?.startsWith("text/event-stream"))
        setTimeout(() => outgoing.destroy(), 1_000);
      incoming.on("close", () => done({ status: incoming.statusCode ?? 0, text }));
    });
    outgoing.on("error", () => done("closed"));
    outgoing.end(body);
  });
}

function sendBytes(port: number, bytes: Buffer): Promise<Reply | "closed" | "hung"> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    // An unfinished request may wait for its rest; the server's own timeout is what ends it, not ours to wait for.
    const timer = setTimeout(() => socket.destroy(), 500);
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1];
      resolve(status === undefined ? "closed" : { status: Number(status), text });
    });
    socket.write(bytes);
  });
}

/** What a server must never answer. Undefined: it is fine. */
function wrong(reply: Reply | "closed" | "hung"): string | undefined {
  if (reply === "hung") return "no answer";
  if (reply === "closed") return undefined;
  if (reply.status >= 500) return `status ${reply.status}: ${reply.text.slice(0, 300)}`;
  if (INTERNAL.test(reply.text)) return `an internal error: ${reply.text.slice(0, 300)}`;
  if (/\bat .*\.(ts|js|mjs):\d+/.test(reply.text)) return `a stack trace: ${reply.text.slice(0, 300)}`;
  return undefined;
}

const good: HostileRequest = {
  method: "POST",
  path: "/mcp/call_tool",
  headers: { "content-type": "application/json" },
  body: Buffer.from(JSON.stringify({ name: "echo_cached", arguments: { text: "still here" } })),
};

const INITIALIZE = {
  protocolVersion: "2025-11-25",
  capabilities: { elicitation: {} },
  clientInfo: { name: "fuzz", version: "1" },
};

/** Opens a session of the 2025 era and resolves to its id. */
async function openSession(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/mcp`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: INITIALIZE }),
  });
  return response.headers.get("mcp-session-id") ?? "";
}

async function overHttp(
  backend: string,
  requests: number,
  random: Random,
  report: (done: number) => void,
): Promise<string[]> {
  const port = await freePort();
  const dataDir = await mkdtemp(join(tmpdir(), "stateful-mcp-c5-"));
  await using server = await ServerProcess.start({
    ...serveFromCheckout(port),
    env: { MCP_STATE_BACKEND: backend, STATEFUL_MCP_DATA_DIR: dataDir, LOG_LEVEL: "silent" },
    ready: new URL(`http://127.0.0.1:${port}/readyz`),
  });
  let session = await openSession(port);
  const agent = new Agent({ keepAlive: true, maxSockets: LANES });
  const violations: string[] = [];
  let sent = 0;
  const lane = async (own: Random) => {
    while (sent < requests && violations.length < 20) {
      const number = sent++;
      const bytes = own.chance(BYTES_SHARE) ? hostileBytes(own) : undefined;
      const hostile = inOpenSession(hostileRequest(own), session);
      const found = wrong(bytes ? await sendBytes(port, bytes) : await send(port, agent, hostile));
      if (found)
        violations.push(
          `${bytes ? JSON.stringify(bytes.toString("latin1").slice(0, 200)) : describe(hostile)} got ${found}`,
        );
      if (number % GOOD_EVERY === 0) {
        const reply = await send(port, agent, good);
        if (typeof reply === "string" || reply.status !== 200)
          violations.push(`A good request got ${JSON.stringify(reply)} after ${number}.`);
        // It may have been ended by a DELETE.
        session = await openSession(port);
        report(number);
      }
    }
  };
  await Promise.all(Array.from({ length: LANES }, (_, i) => lane(random.fork(i))));
  agent.destroy();
  await rm(dataDir, { recursive: true, force: true });
  if (!server.running) violations.push(`The server ended: ${server.stderr.slice(-5).join("\n")}`);
  return violations;
}

const inOpenSession = (hostile: HostileRequest, session: string): HostileRequest =>
  hostile.headers["mcp-session-id"] === OPEN_SESSION
    ? { ...hostile, headers: { ...hostile.headers, "mcp-session-id": session } }
    : hostile;

const describe = ({ method, path, headers, body }: HostileRequest): string =>
  `${method} ${path.slice(0, 60)} ${JSON.stringify(headers).slice(0, 300)} ${body?.toString("utf8").slice(0, 400)}`;

/** Lines and bytes on stdin: every line of stdout must be JSON-RPC, and a good request must be answered at the end. */
async function overStdio(lines: number, random: Random): Promise<string[]> {
  const { command, args } = serveFromCheckout(0);
  const child = spawn(command, args.slice(0, args.indexOf("serve")), {
    env: { ...process.env, MCP_STATE_BACKEND: "memory", LOG_LEVEL: "silent" },
    stdio: ["pipe", "pipe", "ignore"],
  });
  const violations: string[] = [];
  const answered = new Promise<boolean>((resolve) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      try {
        const message = JSON.parse(line) as { id?: unknown };
        if (INTERNAL.test(line)) violations.push(`stdio: an internal error: ${line.slice(0, 300)}`);
        if (message.id === "good") resolve(true);
      } catch {
        violations.push(`stdio: not JSON on stdout: ${line.slice(0, 200)}`);
      }
    });
    child.once("exit", () => resolve(false));
  });
  child.stdin.on("error", () => {});
  child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params: INITIALIZE })}\n`);
  for (let i = 0; i < lines; i++) {
    const { body } = hostileRequest(random);
    if (!child.stdin.write(Buffer.concat([body ?? Buffer.from("{"), Buffer.from("\n")])))
      await new Promise((resolve) => child.stdin.once("drain", resolve));
  }
  child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: "good", method: "ping" })}\n`);
  const hung = new Promise<boolean>((resolve) => void setTimeout(() => resolve(false), HANG_MS).unref());
  if (!(await Promise.race([answered, hung])))
    violations.push("stdio: a good request was not answered after hostile ones.");
  child.kill("SIGKILL");
  return violations;
}

export default defineBar({
  id: "C5",
  title: "Hostile input is answered, never obeyed",
  test: { requests: 5_000, lines: 300 },
  full: { requests: 1_000_000, lines: 20_000 },
  run: async ({ scale, random, progress }) => {
    const total = scale.requests + scale.lines;
    const report = (done: number) => progress.update({ done, total, ok: done, faults: done });
    const half = Math.ceil(scale.requests / 2);
    const memory = await overHttp("memory", half, random.fork("http"), report);
    const local = await overHttp("local", half, random.fork("local"), (done) => report(half + done));
    const stdio = await overStdio(scale.lines, random.fork("stdio"));
    return {
      operations: total,
      successRatio: 1,
      faults: { "hostile requests": total },
      violations: [...memory, ...local, ...stdio],
    };
  },
});
