// `pnpm bench:scale`: what happens with millions of users, on paper. Real calls of real apps are replayed on a store that counts, and what
// they cost is set against DynamoDB's limits, list prices and quotas. Prints the tables of docs/scale.md.
import { limiter, sharedResult } from "./scale/fleet.ts";
import { HeatStore, hottest, KINDS, type Kind, type Units } from "./scale/heat.ts";
import { bill, quotasMet } from "./scale/month.ts";
import { clockAt, replay, type Workload } from "./scale/workload.ts";

const CALLS = 40_000;
const BASE = { sessionsPerPrincipal: 20, processes: 32, rate: 500, seed: 1 };
const MILLIONS = 2_000_000;
const WORKLOADS: readonly (Omit<Workload, "calls"> & { title: string })[] = [
  { ...BASE, title: "2 million principals, exponent 0.8", principals: MILLIONS, exponent: 0.8 },
  { ...BASE, title: "2 million principals, exponent 1", principals: MILLIONS, exponent: 1 },
  { ...BASE, title: "2 million principals, exponent 1.2", principals: MILLIONS, exponent: 1.2 },
  { ...BASE, title: "one token for all, 500 sessions", principals: 1, sessionsPerPrincipal: 500, exponent: 1 },
];
const TYPICAL = WORKLOADS[1];
/** The others grow with processes, not with calls: `scale/fleet.ts` has them. */
const WATCHED: readonly Kind[] = ["sessions", "session"];

const print = (line = "") => process.stdout.write(`${line}\n`);
const whole = (value: number) => Math.round(value).toLocaleString("en-US");
/** Two digits that mean something, because the last ones differ from run to run. */
const about = (value: number) => Number(value.toPrecision(2)).toLocaleString("en-US");
const row = (...cells: readonly (string | number)[]) => print(`| ${cells.join(" | ")} |`);
function head(...cells: readonly string[]): void {
  row(...cells);
  print(`|${"---|".repeat(cells.length)}`);
}

let units: Units = { reads: 0, writes: 0 };
head("callers", "hottest", "reads, writes per 1,000 calls", "throttled from, calls/s", "from, if split by item");
for (const { title, ...workload } of WORKLOADS) {
  process.stderr.write(`${title}\n`);
  const clock = clockAt();
  const store = new HeatStore(clock);
  await replay(store, clock, { ...workload, calls: CALLS });
  if (title === TYPICAL?.title) units = { reads: store.all.reads / CALLS, writes: store.all.writes / CALLS };
  const items = hottest(store.items, CALLS);
  const found = [...hottest(store.partitions, CALLS)].filter(([kind]) => WATCHED.includes(kind));
  for (const [kind, { reads, writes, throttlesAt }] of found.sort(([, a], [, b]) => a.throttlesAt - b.throttlesAt)) {
    const item = items.get(kind)?.throttlesAt ?? Number.NaN;
    row(title, KINDS[kind], `${about(reads)}, ${about(writes)}`, about(throttlesAt), about(item));
  }
}

print();
process.stderr.write("limits\n");
head("calls per minute", "processes", "admitted", "writes in that minute", "in its busiest second");
for (const limit of [600, 12_000, 120_000]) {
  const { processes, admitted, writes, peakWrites } = await limiter(limit, 64);
  row(whole(limit), processes, whole(admitted), whole(writes), whole(peakWrites));
}

print();
process.stderr.write("a shared result\n");
head(
  "processes",
  "calls/s",
  "read units in all until each process has it",
  "read units a second while one refreshes it",
);
for (const processes of [64, 200]) {
  const { callsPerSecond, fresh, stale } = await sharedResult(processes, 2_000);
  row(processes, whole(callsPerSecond), whole(fresh), whole(stale));
}

print();
print(`One call costs ${units.reads.toFixed(2)} read and ${units.writes.toFixed(2)} write units on the average.`);
print();
head("users", "calls each", "calls/s, mean and peak", "Lambda, USD", "Fargate, USD", "tasks, mean");
for (const callsPerUser of [30, 300]) {
  const month = bill({ users: 1e6, callsPerUser }, units);
  const rates = `${whole(month.meanPerSecond)}, ${whole(month.peakPerSecond)}`;
  row("1,000,000", callsPerUser, rates, about(month.lambda), about(month.fargate), month.tasks);
}

print();
head("bound", "value", "met at calls/s", "users with 300 calls a month each");
for (const { what, value, rate, users } of quotasMet(units, 300)) row(what, value, about(rate), about(users));
