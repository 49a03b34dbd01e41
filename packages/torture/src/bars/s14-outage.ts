// The store goes away, once with every connection cut and once without a word. Every call is answered in time with an error that
// says "later", never with "not found"; no process ends; all is well again soon after the store is back.
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import type { Reply } from "../client.ts";
import { type Rig, startRig } from "./rig.ts";
import { Tally } from "./tally.ts";

interface Scale {
  readonly seconds: number;
}

const WORKERS = 12;
const ANSWERED_IN_MILLISECONDS = 5_000;
const RECOVERED_IN_MILLISECONDS = 2_000;
const CALM_MILLISECONDS = 2_000;

interface Window {
  readonly kind: "reset" | "black-hole";
  readonly begin: number;
  end: number;
}

class Worker {
  readonly #rig: Rig;
  readonly #run: Tally;
  readonly #random: Random;
  readonly #session: string;
  readonly #windows: readonly Window[];
  readonly #notes: { readonly text: string; readonly acknowledged: boolean }[] = [];
  slowest = 0;
  outside = 0;
  outsideOk = 0;
  #calls = 0;

  constructor(session: string, rig: Rig, run: Tally, random: Random, windows: readonly Window[]) {
    this.#session = session;
    this.#rig = rig;
    this.#run = run;
    this.#random = random;
    this.#windows = windows;
  }

  async act(): Promise<void> {
    const session_id = this.#session;
    const text = `call ${this.#calls++}`;
    const { tool, input, keyed } = this.#random.pick([
      { tool: "add_note", input: { session_id, note: text }, keyed: false },
      { tool: "add_note", input: { session_id, note: text }, keyed: true },
      { tool: "increment_value", input: { session_id, key: "number" }, keyed: true },
      { tool: "store_value", input: { session_id, key: "value", value: text }, keyed: false },
      { tool: "get_value", input: { session_id, key: "value" }, keyed: false },
      { tool: "session_info", input: { session_id }, keyed: false },
      { tool: "list_sessions", input: {}, keyed: false },
      { tool: "echo_cached", input: { text: `${session_id} ${text}` }, keyed: false },
    ]);
    const start = performance.now();
    const reply = await this.#rig.client.call(tool, input, keyed ? { key: text } : {});
    const end = performance.now();
    if (tool === "add_note") this.#notes.push({ text, acknowledged: reply.outcome === "ok" });
    this.#judge(`${tool}${keyed ? " under a key" : ""}`, reply, start, end);
  }

  #judge(what: string, reply: Reply, start: number, end: number): void {
    const took = end - start;
    this.slowest = Math.max(this.slowest, took);
    this.#run.count();
    const inTime = took <= ANSWERED_IN_MILLISECONDS;
    this.#run.expect(inTime, () => `${what} took ${Math.round(took)} ms: ${JSON.stringify(reply)}`);
    const fitting = reply.outcome === "ok" || (reply.outcome === "error" && reply.retryable);
    this.#run.expect(fitting, () => `${what} was answered ${JSON.stringify(reply)}`);
    // A call belongs to an outage when it ran in it, or in the time that recovery may take.
    const disturbed = this.#windows.some(
      (window) => start <= window.end + RECOVERED_IN_MILLISECONDS && end >= window.begin,
    );
    if (disturbed) return;
    this.outside++;
    if (reply.outcome === "ok") this.outsideOk++;
    else this.#run.expect(false, () => `${what} outside the outages was answered ${JSON.stringify(reply)}`);
  }

  async verify(): Promise<void> {
    const found: string[] = [];
    let cursor: unknown;
    do {
      const input = { session_id: this.#session, limit: 1000, ...(cursor !== undefined && { cursor }) };
      const page = await this.#rig.client.must("get_notes", input);
      found.push(...(page.notes as string[]));
      cursor = page.next_cursor;
    } while (cursor !== undefined);
    this.#run.expect(new Set(found).size === found.length, () => `${this.#session} holds a note twice`);
    for (const { text, acknowledged } of this.#notes)
      this.#run.expect(!acknowledged || found.includes(text), () => `${text} of ${this.#session} is lost`);
  }
}

/** Health tells the truth: alive, and not ready. */
async function checkHealth({ client, fleet }: Rig, run: Tally): Promise<void> {
  for (const { address } of fleet.live) {
    const start = performance.now();
    const [live, ready] = await Promise.all(
      ["/healthz", "/readyz"].map((path) => client.send(new URL(path, address)).then(({ status }) => status)),
    );
    const took = performance.now() - start;
    run.expect(live === 200 && ready === 503, () => `in an outage /healthz says ${live} and /readyz ${ready}`);
    run.expect(took <= ANSWERED_IN_MILLISECONDS, () => `health was answered after ${Math.round(took)} ms`);
    run.count();
  }
}

/** Until every member has answered a call: how long that took. */
async function recovered({ client, fleet }: Rig): Promise<number> {
  const start = performance.now();
  await Promise.all(
    fleet.live.map(async ({ address }) => {
      while ((await client.call("list_sessions", {}, { address })).outcome !== "ok") await sleep(20);
    }),
  );
  return performance.now() - start;
}

export default defineBar<Scale>({
  id: "S14",
  title: "an outage is answered in time and truthfully, and is over when it is over",
  test: { seconds: 10 },
  full: { seconds: 60 },
  async run({ scale, random, progress }) {
    await using rig = await startRig({ random });
    const { fleet, proxy } = rig;
    const run = new Tally(progress, 2 * 100 * scale.seconds, rig);
    const windows: Window[] = [];
    const workers = Array.from(
      { length: WORKERS },
      (_, at) => new Worker(`session-${at}`, rig, run, random.fork(at), windows),
    );
    let over = false;
    const load = Promise.all(
      workers.map(async (worker) => {
        while (!over) await worker.act();
      }),
    );
    for (const kind of ["reset", "black-hole"] as const) {
      await sleep(CALM_MILLISECONDS);
      const window: Window = { kind, begin: performance.now(), end: Number.POSITIVE_INFINITY };
      windows.push(window);
      proxy.beginOutage(kind);
      const health = checkHealth(rig, run);
      await sleep(scale.seconds * 1000);
      await health;
      proxy.endOutage();
      window.end = performance.now();
      const took = await recovered(rig);
      const soon = took <= RECOVERED_IN_MILLISECONDS;
      run.expect(soon, () => `after a ${kind} outage it took ${Math.round(took)} ms until every process answered`);
    }
    await sleep(CALM_MILLISECONDS + RECOVERED_IN_MILLISECONDS);
    over = true;
    await load;
    const running = fleet.live.length;
    run.expect(running === 4, () => `of 4 processes ${running} are still running`);
    for (const worker of workers) await worker.verify();
    const sum = (of: (worker: Worker) => number) => workers.reduce((total, worker) => total + of(worker), 0);
    const outside = sum((worker) => worker.outside);
    return run.outcome({}, outside === 0 ? 0 : sum((worker) => worker.outsideOk) / outside);
  },
});
