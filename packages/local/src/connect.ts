// The client's side: finds the engine of a data directory or starts it, and gives out an HTTP agent that reaches it, also after it died.
// It imports little, because it may run at the start of a server.
import type { Agent } from "node:http";
import { connect as connectSocket, type Socket } from "node:net";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { TABLE_SHAPE } from "@stateful-mcp/core/iam";
import { call, isNamed } from "./call.ts";
import { type EngineFiles, type EngineRecord, isPrivate, prepareDataDir, readRecord } from "./data-dir.ts";
import { EngineAgent } from "./engine-agent.ts";
import { LocalEngineError } from "./errors.ts";
import { type EngineEntry, startEngine } from "./start.ts";

export type { EngineEntry } from "./start.ts";

/** How long a client waits for an engine that another process starts; it takes well under a second on an idle machine. */
const PATIENCE_MS = 10_000;
/** While another process starts the engine: how often to look, and after how long to suppose that it died on the way. */
const LOOK_AGAIN_MS = 20;
const SUPPOSE_DEAD_MS = 2_000;

/** Which engine is wanted, and how it is started if it does not run. Times are in seconds. */
export interface ConnectOptions {
  /** Created when absent. Everything is kept in its subdirectory `engine`. */
  readonly dataDir: string;
  /** Created when absent, with the string keys `pk` and `sk`; default `["mcp_state"]`. */
  readonly tables?: readonly string[];
  /** How long the engine stays after the last connection closed; default 60. Counts only for an engine started by this client. */
  readonly idleExitSeconds?: number;
  /** How to start the engine process; default: this package's own entry. A bundle names itself here. */
  readonly entry?: EngineEntry;
}

/** A connection to the engine of a data directory. */
export interface LocalEngine {
  /** The data directory's real path. */
  readonly dataDir: string;
  /** Unix socket, or named pipe on Windows. Another one may follow when the engine is started anew; `agent` knows. */
  readonly socketPath: string;
  readonly pid: number;
  /** Give it to the HTTP client. Each new connection reaches the engine, which is started again where it has ended. */
  readonly agent: Agent;
  /** Lets go: closes this client's connections. The engine exits when no client has been connected for a while. */
  close(): Promise<void>;
}

/**
 * Connects to the engine of a data directory, after starting it if it does not run.
 *
 * @throws LocalEngineError when the directory cannot be used or the engine does not start.
 */
export async function connectLocalEngine(options: ConnectOptions): Promise<LocalEngine> {
  const files = await prepareDataDir(options.dataDir);
  const tables = options.tables ?? ["mcp_state"];
  const startOptions = {
    ...(options.entry && { entry: options.entry }),
    idleExitSeconds: options.idleExitSeconds ?? 60,
  };
  let record = await reachWithTables();
  let restarting: Promise<EngineRecord> | undefined;

  async function reachWithTables(): Promise<EngineRecord> {
    // The directory may have been deleted meanwhile.
    await prepareDataDir(files.dataDir);
    const reached = await reach(files, () => startEngine(files, startOptions));
    for (const table of tables) await ensureTable(reached.socketPath, table);
    return reached;
  }

  /** However many requests find the engine gone, one start serves them all. */
  async function restart(): Promise<void> {
    restarting ??= reachWithTables().finally(() => {
      restarting = undefined;
    });
    record = await restarting;
  }

  const agent = new EngineAgent(async () => {
    if (!(await isListening(record.socketPath))) await restart();
    return record.socketPath;
  });

  return {
    dataDir: files.dataDir,
    get socketPath() {
      return record.socketPath;
    },
    get pid() {
      return record.pid;
    },
    agent,
    close: async () => agent.destroy(),
  };
}

/** Finds a living engine, or starts one; where several clients do so at once, one engine wins the database and serves all. */
async function reach(files: EngineFiles, start: () => Promise<"ready" | "busy">): Promise<EngineRecord> {
  const giveUpAt = Date.now() + PATIENCE_MS;
  while (Date.now() < giveUpAt) {
    const running = await findRunning(files);
    if (running !== undefined) return running;
    if ((await start()) === "ready") continue;
    const startAgainAt = Date.now() + SUPPOSE_DEAD_MS;
    while (Date.now() < startAgainAt) {
      await delay(LOOK_AGAIN_MS);
      const winner = await findRunning(files);
      if (winner !== undefined) return winner;
    }
  }
  const pid = (await readRecord(files))?.pid;
  throw new LocalEngineError(
    `Another process${pid === undefined ? "" : ` (perhaps ${pid})`} holds ${files.database} but cannot be reached: end that process and try again; its log is ${files.log}.`,
  );
}

async function findRunning(files: EngineFiles): Promise<EngineRecord | undefined> {
  const record = await readRecord(files);
  if (record === undefined) return undefined;
  return (await isListening(record.socketPath)) ? record : undefined;
}

/** Whether an engine is there to connect to; also false when another user could have put that socket there. */
async function isListening(socketPath: string): Promise<boolean> {
  if (process.platform !== "win32" && !isPrivate(dirname(socketPath))) return false;
  return new Promise((resolve) => {
    const socket = connectSocket(socketPath);
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}

async function ensureTable(socketPath: string, table: string): Promise<void> {
  const connect = () => connectSocket(socketPath);
  const describe = () =>
    call<{ Table: { TableStatus: string } }>(connect, "DescribeTable", {
      TableName: table,
    });
  for (;;) {
    try {
      const { Table } = await describe();
      if (Table.TableStatus === "ACTIVE") return;
      await delay(LOOK_AGAIN_MS);
    } catch (error) {
      if (!isNamed(error, "ResourceNotFoundException")) throw error;
      await createTable(connect, table);
    }
  }
}

async function createTable(connect: () => Socket, table: string): Promise<void> {
  try {
    await call(connect, "CreateTable", {
      TableName: table,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [TABLE_SHAPE.partitionKey, TABLE_SHAPE.sortKey].map((AttributeName) => ({
        AttributeName,
        AttributeType: "S",
      })),
      KeySchema: [
        { AttributeName: TABLE_SHAPE.partitionKey, KeyType: "HASH" },
        { AttributeName: TABLE_SHAPE.sortKey, KeyType: "RANGE" },
      ],
    });
  } catch (error) {
    // Another client was faster.
    if (!isNamed(error, "ResourceInUseException")) throw error;
  }
}
