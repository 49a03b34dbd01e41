// A store that refuses nearly every third request: nothing acknowledged is lost, and retries stay within a budget.

import type { Random } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import { type Rig, startRig } from "./rig.ts";
import { Tally } from "./tally.ts";

interface Scale {
  readonly seconds: number;
}

const WORKERS = 12;
const THROTTLED = 0.3;
const UNPROCESSED = 0.5;
const REQUESTS_PER_LOGICAL_MAX = 2.0;
/** Calls in the undisturbed phase that tells how many requests a call takes. */
const BASELINE_SHARE = 0.15;

/** One session, one caller: what it takes to serve a call does not depend on how fast the others are. */
class Worker {
  readonly #session: string;
  readonly #rig: Rig;
  readonly #run: Tally;
  readonly #random: Random;
  readonly #notes = new Map<string, boolean>();
  #added = { acknowledged: 0, attempted: 0 };
  #value: { certain: boolean; value: unknown; others: unknown[] } = { certain: true, value: null, others: [] };
  calls = 0;

  constructor(session: string, rig: Rig, run: Tally, random: Random) {
    this.#session = session;
    this.#rig = rig;
    this.#run = run;
    this.#random = random;
  }

  async act(): Promise<void> {
    this.calls++;
    const { client } = this.#rig;
    const session_id = this.#session;
    const text = `call ${this.calls}`;
    const dice = this.#random.int(0, 3);
    if (dice === 0) {
      const reply = await client.call("add_note", { session_id, note: text });
      this.#notes.set(text, reply.outcome === "ok");
      this.#judge(reply);
    } else if (dice === 1) {
      const reply = await client.call("increment_value", { session_id, key: "number" });
      this.#added.attempted++;
      if (reply.outcome === "ok") this.#added.acknowledged++;
      this.#judge(reply);
    } else if (dice === 2) {
      const reply = await client.call("store_value", { session_id, key: "value", value: text });
      if (reply.outcome === "ok") this.#value = { certain: true, value: text, others: [] };
      else this.#value.others.push(text);
      this.#judge(reply);
    } else {
      const reply = await client.call("get_value", { session_id, key: "value" });
      if (reply.outcome === "ok") this.#compare(reply.result.value);
      this.#judge(reply);
    }
  }

  #judge(reply: { outcome: string; retryable?: boolean }): void {
    this.#run.count();
    const fitting = reply.outcome === "ok" || reply.retryable === true;
    this.#run.expect(fitting, () => `under throttling a call was answered ${JSON.stringify(reply)}`);
  }

  #compare(value: unknown): void {
    const possible = [this.#value.value, ...this.#value.others];
    this.#run.expect(possible.includes(value), () => `the value is ${value}; possible is ${possible.join(" or ")}`);
  }

  async verify(): Promise<void> {
    const { client } = this.#rig;
    const session_id = this.#session;
    const found: string[] = [];
    let cursor: unknown;
    do {
      const page = await client.must("get_notes", { session_id, limit: 1000, ...(cursor !== undefined && { cursor }) });
      found.push(...(page.notes as string[]));
      cursor = page.next_cursor;
    } while (cursor !== undefined);
    this.#run.expect(new Set(found).size === found.length, () => `${session_id} holds a note twice`);
    for (const [text, acknowledged] of this.#notes)
      this.#run.expect(!acknowledged || found.includes(text), () => `${text} of ${session_id} is lost`);
    const number = Number((await client.must("get_value", { session_id, key: "number" })).value ?? 0);
    const { acknowledged, attempted } = this.#added;
    const right = acknowledged <= number && number <= attempted;
    this.#run.expect(right, () => `${number} after ${acknowledged} acknowledged of ${attempted} increments`);
    this.#compare((await client.must("get_value", { session_id, key: "value" })).value);
  }
}

export default defineBar<Scale>({
  id: "S13",
  title: "throttling loses nothing, and retries stay within 2.0 requests for one",
  test: { seconds: 30 },
  full: { seconds: 300 },
  async run({ scale, random, progress }) {
    await using rig = await startRig({ random });
    const { client, proxy } = rig;
    const run = new Tally(progress, scale.seconds * 150, rig);
    const workers = Array.from({ length: WORKERS }, (_, at) => new Worker(`session-${at}`, rig, run, random.fork(at)));
    const phase = async (seconds: number) => {
      const before = { calls: client.sent, requests: proxy.total };
      const end = performance.now() + seconds * 1000;
      await Promise.all(
        workers.map(async (worker) => {
          while (performance.now() < end) await worker.act();
        }),
      );
      return (proxy.total - before.requests) / (client.sent - before.calls);
    };
    for (const worker of workers) await worker.act();
    const undisturbed = await phase(scale.seconds * BASELINE_SHARE);
    proxy.rules = [
      { fault: { kind: "throttle" }, chance: THROTTLED },
      { fault: { kind: "partial-batch" }, chance: UNPROCESSED },
    ];
    const disturbed = await phase(scale.seconds);
    proxy.rules = [];
    const ratio = disturbed / undisturbed;
    run.expect(ratio <= REQUESTS_PER_LOGICAL_MAX, () => `${ratio.toFixed(2)} requests were sent for one`);
    for (const worker of workers) await worker.verify();
    return run.outcome();
  },
});
