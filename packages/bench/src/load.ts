// The load client, in a process of its own so that its CPU is not the server's. Every answer is checked; a wrong one ends the run.
import { Pool } from "undici";
import { answerQuestions, cpuMicros } from "./control.ts";
import { Counters } from "./counters.ts";
import type { LoadPlan, LoadResult, Target, Work } from "./plan.ts";
import {
  type Era,
  legacyCall,
  legacyInitialize,
  legacyInitialized,
  messageOf,
  modernCall,
  type WireRequest,
} from "./requests.ts";

interface Connection {
  readonly pool: Pool;
  /** The 2025-era session; empty for modern requests. */
  readonly session: string;
}

interface Open {
  readonly era: Era;
  readonly connections: readonly Connection[];
}

const opened = new Map<string, Open>();

async function open(target: Target): Promise<void> {
  const connections: Connection[] = [];
  for (let index = 0; index < target.connections; index++) {
    const port = target.ports[index % target.ports.length];
    const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 1, pipelining: 1 });
    connections.push({ pool, session: target.era === "legacy" ? await openSession(pool) : "" });
  }
  opened.set(target.id, { era: target.era, connections });
}

async function openSession(pool: Pool): Promise<string> {
  const { statusCode, headers, body } = await pool.request({ path: "/mcp", method: "POST", ...legacyInitialize() });
  const text = await body.text();
  const session = headers["mcp-session-id"];
  if (statusCode !== 200 || typeof session !== "string")
    throw new Error(`initialize was answered ${statusCode}: ${text}`);
  await post(pool, legacyInitialized(session), 202);
  return session;
}

async function run(plan: LoadPlan): Promise<LoadResult> {
  const target = opened.get(plan.target);
  if (target === undefined) throw new Error(`target ${plan.target} was never opened`);
  const counters = new Counters();
  const began = performance.now();
  const cpuBefore = cpuMicros();
  let next = 0;
  await Promise.all(
    target.connections.map(async (connection, index) => {
      while (next < plan.calls) await call(target.era, connection, index, next++, plan.work, counters);
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  counters.check();
  return { seconds, clientBusy: (cpuMicros() - cpuBefore) / 1e6 / seconds };
}

async function call(
  era: Era,
  { pool, session }: Connection,
  index: number,
  number: number,
  work: Work,
  counters: Counters,
) {
  const send = async (tool: string, input: object, headers: Record<string, string> = {}) => {
    const id = number + 1;
    const request = era === "modern" ? modernCall(id, tool, input) : legacyCall(id, session, tool, input);
    return resultOf(await post(pool, { ...request, headers: { ...request.headers, ...headers } }, 200), id);
  };
  switch (work.kind) {
    case "echo": {
      const text = `call ${number}`;
      const result = await send("echo", { text });
      const echoed = result.structuredContent?.text ?? result.content?.[0]?.text;
      if (echoed !== text) throw new Error(`sent ${JSON.stringify(text)}, got ${JSON.stringify(result)}`);
      return;
    }
    case "tool":
      await send(work.name, work.input);
      return;
    case "increment": {
      const slot = work.sharedKeys === undefined ? index : number % work.sharedKeys;
      const key = `${work.run}-${slot}`;
      counters.add(key, (await send("increment_value", { key })).structuredContent?.value);
      return;
    }
    case "sessions": {
      if (era === "legacy")
        return call(era, { pool, session: await openSession(pool) }, index, number, { kind: "echo" }, counters);
      const name = `${work.run}-${number}`;
      const token = work.tokens?.[number % work.tokens.length];
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      counters.add(
        name,
        (await send("increment_value", { session_id: name, key: "n" }, headers)).structuredContent?.value,
      );
    }
  }
}

async function post(pool: Pool, request: WireRequest, expectedStatus: number): Promise<string> {
  const { statusCode, body } = await pool.request({ path: "/mcp", method: "POST", ...request });
  const text = await body.text();
  if (statusCode !== expectedStatus) throw new Error(`answered ${statusCode}, not ${expectedStatus}: ${text}`);
  return text;
}

interface ToolResult {
  isError?: boolean;
  content?: { text?: string }[];
  structuredContent?: Record<string, unknown>;
}

function resultOf(body: string, id: number): ToolResult {
  const message = messageOf(body) as { id?: unknown; result?: ToolResult };
  if (message.id !== id || message.result === undefined || message.result.isError)
    throw new Error(`call ${id} was answered ${body}`);
  return message.result;
}

answerQuestions({ ready: () => ({ port: 0 }), open, run });
