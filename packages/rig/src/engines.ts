// Starts the DynamoDB engines the suites run on: dynalite in this process, Dynoxide as a child process where it is
// installed. For tests only; not exported to users, because the engines are development dependencies.
/// <reference path="./dynalite.d.ts" />
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import dynalite from "dynalite";
import { freePort } from "./ports.ts";

/** Where an engine is reached; what a client of ours, or of AWS, is made with. */
export type Connection =
  | {
      readonly endpoint: string;
      readonly region: string;
      readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
    }
  | { readonly socketPath: string };

export interface Engine {
  readonly name: string;
  /** Where it listens on loopback; 0 on a Unix socket. */
  readonly port: number;
  readonly connection: Connection;
  stop(): Promise<void>;
}

/** The connection to a test engine, or to a proxy before one. */
export const loopback = (port: number): Connection => ({
  endpoint: `http://127.0.0.1:${port}`,
  region: "local",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
});

async function stopServer(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}

/** In memory, on an ephemeral loopback port. */
export async function startDynalite(): Promise<Engine> {
  const server = dynalite({ createTableMs: 0, deleteTableMs: 0 });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { name: "dynalite", port, connection: loopback(port), stop: () => stopServer(server) };
}

/** In memory, on a Unix socket. */
export async function startDynaliteOnSocket(socketPath: string): Promise<Engine> {
  const server = dynalite({ createTableMs: 0, deleteTableMs: 0 });
  server.listen(socketPath);
  await once(server, "listening");
  return { name: "dynalite on a Unix socket", port: 0, connection: { socketPath }, stop: () => stopServer(server) };
}

/** The path of the Dynoxide binary, or the reason why there is none. */
export function findDynoxide(): { path: string } | { missing: string } {
  const packageName = `@dynoxide/${process.platform}-${process.arch}`;
  try {
    const manifest = createRequire(import.meta.url).resolve(`${packageName}/package.json`);
    return { path: join(dirname(manifest), "dynoxide") };
  } catch {
    return { missing: `${packageName} is not installed` };
  }
}

/** In memory, as a child process on an ephemeral loopback port. */
export async function startDynoxide(): Promise<Engine> {
  const found = findDynoxide();
  if ("missing" in found) throw new Error(found.missing);
  const port = await freePort();
  const child = spawn(found.path, ["serve", "--host", "127.0.0.1", "--port", String(port)], { stdio: "ignore" });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  try {
    await untilAnswering(port, child);
  } catch (error) {
    kill();
    throw error;
  }
  const stop = async () => {
    process.off("exit", kill);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    kill();
    await exited;
  };
  return { name: "Dynoxide", port, connection: loopback(port), stop };
}

async function untilAnswering(port: number, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    try {
      await fetch(`http://127.0.0.1:${port}/`);
      return;
    } catch (error) {
      const ended = child.exitCode ?? child.signalCode;
      if (ended !== null) throw new Error(`Dynoxide ended with ${ended}.`);
      if (performance.now() > deadline) throw new Error("Dynoxide does not answer.", { cause: error });
      await sleep(20);
    }
  }
}

export interface Consumed {
  readonly operation: string;
  readonly units: number;
}

/** A client of ours: one method sends every request. */
interface LeanClient {
  // biome-ignore lint/suspicious/noExplicitAny: its operations have inputs of their own
  request(operation: any, input: any, timeoutMs: number): Promise<any>;
}

/** A batch answers with one figure per table. */
function unitsOf(output: unknown): number | undefined {
  type Capacity = { CapacityUnits?: number };
  const { ConsumedCapacity } = output as { ConsumedCapacity?: Capacity | Capacity[] };
  if (!Array.isArray(ConsumedCapacity)) return ConsumedCapacity?.CapacityUnits;
  return ConsumedCapacity.reduce((sum, { CapacityUnits = 0 }) => sum + CapacityUnits, 0);
}

/**
 * Makes every request of this client ask for its consumed capacity, and records the answers in order. Failed conditions
 * carry none. Only Dynoxide's figures are those of the real service; dynalite bills by UTF-16 length and attribute.
 */
export function recordConsumedCapacity(client: DynamoDBClient | LeanClient): Consumed[] {
  const consumed: Consumed[] = [];
  if (!("middlewareStack" in client)) {
    const { request } = client;
    client.request = async (operation, input, timeoutMs) => {
      const output = await request.call(client, operation, { ...input, ReturnConsumedCapacity: "TOTAL" }, timeoutMs);
      const units = unitsOf(output);
      if (units !== undefined) consumed.push({ operation, units });
      return output;
    };
    return consumed;
  }
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const result = await next({ ...args, input: { ...args.input, ReturnConsumedCapacity: "TOTAL" } });
      const units = unitsOf(result.output);
      if (units !== undefined) consumed.push({ operation: String(context.commandName).replace("Command", ""), units });
      return result;
    },
    { step: "initialize", name: "recordConsumedCapacity" },
  );
  return consumed;
}
