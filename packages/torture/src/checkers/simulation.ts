// Runs clients against a store in memory under a seeded scheduler and records what they see: the histories that prove a
// checker right (a correct store) and awake (planted bugs). No real time passes: the clock counts scheduling steps.
import type { Random } from "@stateful-mcp/rig";
import type { Operation } from "./linearizability.ts";

/** One call being served: it yields where other calls may come in between, and returns its answer. */
export type Serving<O> = Generator<void, O>;

export interface Simulated<I, O> {
  /** A client's next call; `last` is the answer to the last one that was answered. */
  next(random: Random, last: O | undefined, serial: number): I;
  serve(input: I, client: number): Serving<O>;
}

interface Client<I, O> {
  last: O | undefined;
  call: { input: I; invoked: number; serving: Serving<O> } | undefined;
}

/** `lossChance` calls get no answer; half of those stop being served at that moment, the others take effect unseen later on. */
export function simulate<I, O>(
  store: Simulated<I, O>,
  random: Random,
  { clients = 4, operations = 60, lossChance = 0.08 } = {},
): Operation<I, O>[] {
  const history: Operation<I, O>[] = [];
  const crew: Client<I, O>[] = Array.from({ length: clients }, () => ({ last: undefined, call: undefined }));
  const unseen: Serving<O>[] = [];
  let now = 0;
  let started = 0;

  while (started < operations || crew.some((client) => client.call !== undefined)) {
    now++;
    if (unseen.length > 0 && random.chance(0.2)) random.pick(unseen).next();
    const at = random.int(0, clients - 1);
    const client = crew[at] as Client<I, O>;
    if (client.call === undefined) {
      if (started === operations) continue;
      const input = store.next(random, client.last, started++);
      client.call = { input, invoked: now, serving: store.serve(input, at) };
      continue;
    }
    const { input, invoked, serving } = client.call;
    const operation = { key: "simulated", input, invoked };
    if (random.chance(lossChance / 3)) {
      history.push({ ...operation, output: undefined, completed: now });
      if (random.chance(0.5)) unseen.push(serving);
      client.call = undefined;
      continue;
    }
    const step = serving.next();
    if (!step.done) continue;
    history.push({ ...operation, output: step.value, completed: now });
    client.last = step.value;
    client.call = undefined;
  }
  return history;
}

/** Takes effect at one instant between call and answer: what a correct store does. */
export function* atOnce<O>(effect: () => O): Serving<O> {
  yield;
  const answer = effect();
  yield;
  return answer;
}
