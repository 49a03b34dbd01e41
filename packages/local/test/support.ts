// What the tests share: a real SDK client, real child processes, and waiting for conditions.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DynamoDBClient, PutItemCommand, ScanCommand } from "@aws-sdk/client-dynamodb";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { type ConnectOptions, connectLocalEngine, type LocalEngine } from "../src/index.ts";

export function sdkClient(engine: LocalEngine): DynamoDBClient {
  return new DynamoDBClient({
    endpoint: "http://localhost",
    region: "local",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    requestHandler: new NodeHttpHandler({ httpAgent: engine.agent }),
  });
}

export function put(client: DynamoDBClient, name: string, more: Record<string, { N: string }> = {}): Promise<unknown> {
  return client.send(
    new PutItemCommand({ TableName: "mcp_state", Item: { pk: { S: "p" }, sk: { S: name }, ...more } }),
  );
}

export async function names(client: DynamoDBClient): Promise<string[]> {
  const all: string[] = [];
  let ExclusiveStartKey: Record<string, { S: string }> | undefined;
  do {
    const page = await client.send(new ScanCommand({ TableName: "mcp_state", ExclusiveStartKey }));
    for (const item of page.Items ?? []) all.push(item.sk?.S ?? "");
    ExclusiveStartKey = page.LastEvaluatedKey as typeof ExclusiveStartKey;
  } while (ExclusiveStartKey);
  return all.sort();
}

/** Everything a test starts, and the way to end it. */
export class Bench {
  readonly #engines = new Set<LocalEngine>();
  readonly #children = new Set<ChildProcess>();
  readonly #pids = new Set<number>();
  readonly #directories: string[] = [];

  async directory(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), "engine-"));
    this.#directories.push(directory);
    return directory;
  }

  async connect(options: ConnectOptions): Promise<LocalEngine> {
    const engine = await connectLocalEngine(options);
    this.#engines.add(engine);
    this.#pids.add(engine.pid);
    return engine;
  }

  child(dataDir: string): ChildProcess {
    const child = fork(fileURLToPath(new URL("./client.ts", import.meta.url)), [dataDir]);
    this.#children.add(child);
    child.on("message", (message: { pid?: number }) => {
      if (message.pid !== undefined) this.#pids.add(message.pid);
    });
    return child;
  }

  async end(): Promise<void> {
    for (const engine of this.#engines) this.#pids.add(engine.pid);
    for (const engine of this.#engines) await engine.close();
    for (const child of this.#children) await kill(child);
    for (const pid of this.#pids) await killPid(pid);
    // An engine that was killed a moment ago may still be writing its last line.
    const options = { recursive: true, force: true, maxRetries: 10, retryDelay: 100 };
    for (const directory of this.#directories) await rm(directory, options);
    this.#engines.clear();
    this.#children.clear();
    this.#pids.clear();
  }
}

export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

export async function killPid(pid: number): Promise<void> {
  if (!isAlive(pid)) return;
  process.kill(pid, "SIGKILL");
  await until(() => !isAlive(pid));
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Waits for a condition; the test's own time limit ends a wait in vain. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(20);
}

export async function message<T>(child: ChildProcess): Promise<T> {
  const [value] = await once(child, "message");
  return value;
}
