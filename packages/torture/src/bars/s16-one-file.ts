// S16: several processes write to one SQLite file and are killed in the middle. What was acknowledged is there afterwards with all its
// content, nothing is counted twice, a copy of the file opens, and the write-ahead log stays bounded.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { SqliteStore } from "@stateful-mcp/core/sqlite";
import { defineBar } from "../bars.ts";
import { COUNTER, IN_FLIGHT, WORDS } from "../file-writes.ts";
import { Tally } from "./tally.ts";

interface Scale {
  readonly writes: number;
  readonly kills: number;
}

const WRITER = fileURLToPath(new URL("../servers/file-writer.ts", import.meta.url));
const PROCESSES = 3;
const PAGE = 500;
/** SQLite begins to move the log into the file at 4 MiB; readers in between let it grow beyond that, but not on and on. */
const LOG_MAX_BYTES = 64 * 2 ** 20;

interface Writer {
  readonly name: string;
  readonly process: ChildProcess;
}

/** The processes on one file, and what they were told to have written. */
class Writers {
  readonly acknowledged = new Map<string, number[]>();
  count = 0;
  live: Writer[] = [];
  readonly #path: string;
  readonly #run: Tally;
  #wake: () => void = () => {};
  #ended: string | undefined;

  constructor(path: string, run: Tally) {
    this.#path = path;
    this.#run = run;
  }

  start(): void {
    const name = `writer ${this.acknowledged.size}`;
    const numbers: number[] = [];
    this.acknowledged.set(name, numbers);
    const process = fork(WRITER, [this.#path, name], { execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
    process.on("message", (number: number) => {
      numbers.push(number);
      this.count++;
      this.#run.count();
      this.#wake();
    });
    process.once("exit", (_, signal) => {
      if (signal === "SIGKILL") return;
      this.#ended = `${name} ended by itself`;
      this.#wake();
    });
    this.live.push({ name, process });
  }

  /** Resolves once so many writes are acknowledged. */
  async until(count: number): Promise<void> {
    while (this.count < count && this.#ended === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#ended !== undefined) throw new Error(this.#ended);
  }

  async kill(writer: Writer): Promise<void> {
    this.live = this.live.filter((one) => one !== writer);
    if (writer.process.exitCode !== null) return;
    // What it acknowledged before it was killed is still read from its channel.
    const gone = once(writer.process, "close");
    writer.process.kill("SIGKILL");
    await gone;
  }
}

export default defineBar<Scale>({
  id: "S16",
  title: "processes on one SQLite file are killed, and nothing acknowledged is lost",
  test: { writes: 1_500, kills: 4 },
  full: { writes: 100_000, kills: 200 },
  places: ["file"],
  async run({ scale, random, progress }) {
    const folder = mkdtempSync(join(tmpdir(), "one-file-"));
    const path = join(folder, "state.sqlite");
    const run = new Tally(progress, scale.writes);
    const writers = new Writers(path, run);
    let longestLog = 0;
    const look = () => {
      longestLog = Math.max(longestLog, statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0);
    };
    const looking = setInterval(look, 20);
    try {
      for (let at = 0; at < PROCESSES; at++) writers.start();
      for (let kill = 1; kill <= scale.kills; kill++) {
        await writers.until((kill * scale.writes) / (scale.kills + 1));
        await writers.kill(random.pick(writers.live));
        writers.start();
      }
      await writers.until(scale.writes);
      await Promise.all(writers.live.map((writer) => writers.kill(writer)));
      look();
      // No process has opened the file since the last kill.
      const afterKill = join(folder, "after-kill.sqlite");
      for (const suffix of ["", "-wal"]) copyFileSync(path + suffix, afterKill + suffix);
      await verify(afterKill, writers, run);
      await verify(path, writers, run);
      run.expect(!existsSync(`${path}-wal`), () => "the log is still there after the last process has closed the file");
      const copy = join(folder, "copy.sqlite");
      copyFileSync(path, copy);
      await verify(copy, writers, run);
    } finally {
      clearInterval(looking);
      await Promise.all(writers.live.map((writer) => writers.kill(writer)));
      rmSync(folder, { recursive: true });
    }
    run.expect(longestLog <= LOG_MAX_BYTES, () => `the log grew to ${longestLog} bytes`);
    const kills = scale.kills + PROCESSES;
    return {
      ...run.outcome({ "kill -9": kills }),
      figures: [`The write-ahead log had at most ${(longestLog / 2 ** 20).toFixed(1)} MiB.`],
    };
  },
});

/** Compares a file with what the writers were told. */
async function verify(path: string, { acknowledged, count }: Writers, run: Tally): Promise<void> {
  const store = await SqliteStore.open(path);
  let found = 0;
  try {
    for (const [name, numbers] of acknowledged) {
      const there = new Set(await numbersOf(store, name));
      found += there.size;
      const missing = numbers.filter((number) => !there.has(number));
      run.expect(missing.length === 0, () => `${path}: of ${name}, acknowledged and lost: ${missing.join(", ")}`);
    }
    const counted = Number((await store.get(COUNTER))?.attributes.n);
    // A write is counted after it was made and before it is acknowledged.
    const right = count <= counted && counted <= found;
    run.expect(right, () => `${path}: ${count} acknowledged, ${counted} counted, ${found} there`);
    // Acknowledgements that a killed process had not sent yet are unknown in any number; what it had made and not counted is not.
    const uncounted = acknowledged.size * IN_FLIGHT;
    run.expect(found <= counted + uncounted, () => `${path}: ${found} there, and only ${counted} counted`);
  } finally {
    await store.close();
  }
  const database = new DatabaseSync(path);
  const check = database.prepare("PRAGMA integrity_check").all();
  database.close();
  const sound = JSON.stringify(check) === '[{"integrity_check":"ok"}]';
  run.expect(sound, () => `${path}: ${JSON.stringify(check)}`);
}

/** The writes of one writer that are in the file with all their content. */
async function numbersOf(store: SqliteStore, writer: string): Promise<number[]> {
  const numbers: number[] = [];
  let after: string | undefined;
  do {
    const page = await store.list(writer, { limit: PAGE, ...(after !== undefined && { after }) });
    for (const { attributes } of page.entries) if (attributes.words === WORDS) numbers.push(Number(attributes.number));
    after = page.next;
  } while (after !== undefined);
  return numbers;
}
