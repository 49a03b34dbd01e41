// pnpm conformance: runs the official suite against the fixture for each revision, directly and through a load balancer that sends
// every request to the other one of two instances; with --way kills through one whose oldest instance is killed again and again.
// Exits with 1 when a scored scenario fails that is not expected to.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createDynamoDBClient, setupTable } from "@stateful-mcp/core/dynamodb";
import { Fleet, RoundRobin } from "@stateful-mcp/rig";
import dynalite from "dynalite";

const REVISIONS = ["2025-11-25", "2026-07-28"];
const WAYS = ["direct", "round-robin", "kills"] as const;
type Way = (typeof WAYS)[number];

const TASKS_REVISION = "2026-07-28";
const TASK_SCENARIOS = [
  "tasks-lifecycle",
  "tasks-capability-negotiation",
  "tasks-wire-fields",
  "tasks-request-state-removal",
  "tasks-mrtr-input",
  "tasks-request-headers",
  "tasks-dispatch-and-envelope",
  "tasks-status-notifications",
  "tasks-required-task-error",
  "tasks-mrtr-composition",
];

/**
 * Scored scenarios that may fail, each with its reason: "<revision> <way> <scenario>". One that passes must be taken out.
 */
const EXPECTED_FAILURES: Readonly<Record<string, string>> = {};

const SUITE = join(
  createRequire(import.meta.url).resolve("@modelcontextprotocol/conformance/package.json"),
  "../dist/index.js",
);
const SCENARIO_TIMEOUT_MS = 30_000;
const TEST_CREDENTIALS = { accessKeyId: "test", secretAccessKey: "test" };

interface Check {
  readonly id: string;
  readonly status: "SUCCESS" | "FAILURE" | "WARNING" | "SKIPPED" | "INFO";
  readonly errorMessage?: string;
}

interface Outcome {
  readonly scenario: string;
  readonly scored: boolean;
  readonly passed: boolean;
  /** What went wrong, one line per check; warnings too. */
  readonly remarks: readonly string[];
}

async function suite(...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [SUITE, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    output += chunk;
  });
  await once(child, "close");
  return output;
}

/** The server scenarios that a revision scores, as the suite itself lists them. */
async function scoredScenarios(revision: string): Promise<ReadonlySet<string>> {
  const listed = await suite("list", "--requirements", revision);
  const section = /^Server scenarios[^\n]*\n((?: {2}- [^\n]+\n)+)/m.exec(listed)?.[1];
  if (section === undefined) throw new Error(`The suite lists no server scenarios for ${revision}:\n${listed}`);
  const names = [...section.matchAll(/^ {2}- (\S+)/gm)].map(([, name = ""]) => name);
  // The suite scores no extension. This server offers that of tasks, so its scenarios count as well.
  return new Set(revision === TASKS_REVISION ? [...names, ...TASK_SCENARIOS] : names);
}

async function run(revision: string, url: string): Promise<Outcome[]> {
  const scored = await scoredScenarios(revision);
  const results = await mkdtemp(join(tmpdir(), "conformance-"));
  try {
    await suite(
      "server",
      "--url",
      url,
      "--requirements",
      revision,
      "-o",
      results,
      "--timeout",
      String(SCENARIO_TIMEOUT_MS),
    );
    const outcomes: Outcome[] = [];
    for (const directory of await readdir(results)) {
      // server-<scenario>-<time>, the time beginning with a date.
      const scenario = /^server-(.+?)-\d{4}-\d{2}-\d{2}T/.exec(directory)?.[1];
      if (scenario === undefined) continue;
      const checks = JSON.parse(await readFile(join(results, directory, "checks.json"), "utf8")) as Check[];
      outcomes.push(judge(scenario, scored.has(scenario), checks));
    }
    // What did not run has not passed.
    const ran = new Set(outcomes.map(({ scenario }) => scenario));
    for (const scenario of scored)
      if (!ran.has(scenario)) outcomes.push({ scenario, scored: true, passed: false, remarks: ["did not run"] });
    return outcomes.sort((a, b) => a.scenario.localeCompare(b.scenario));
  } finally {
    await rm(results, { recursive: true });
  }
}

function judge(scenario: string, scored: boolean, checks: readonly Check[]): Outcome {
  const wrong = checks.filter(({ status }) => status === "FAILURE" || status === "WARNING");
  const remarks = wrong.map(({ id, status, errorMessage = "" }) => `${status} ${id}: ${errorMessage.slice(0, 300)}`);
  const passed = checks.length > 0 && !checks.some(({ status }) => status === "FAILURE");
  return { scenario, scored, passed, remarks };
}

/** Prints one run and returns how many of its scored scenarios are not as expected. */
function report(revision: string, way: Way, outcomes: readonly Outcome[]): number {
  const scored = outcomes.filter((one) => one.scored);
  const rest = outcomes.filter((one) => !one.scored);
  const count = (all: readonly Outcome[]) => `${all.filter(({ passed }) => passed).length} of ${all.length}`;
  let unexpected = 0;
  const lines = [`${revision} ${way.padEnd(11)}  scored ${count(scored)}  not scored ${count(rest)}`];
  for (const { scenario, scored: counts, passed, remarks } of outcomes) {
    const reason = counts ? EXPECTED_FAILURES[`${revision} ${way} ${scenario}`] : undefined;
    if (counts && passed === (reason !== undefined)) unexpected += 1;
    if (passed && remarks.length === 0 && reason === undefined) continue;
    const word = passed
      ? reason === undefined
        ? "passed"
        : "PASSED, expected to fail"
      : counts
        ? "FAILED"
        : "failed, not scored";
    lines.push(`  ${scenario}: ${word}${reason === undefined ? "" : ` (${reason})`}`);
    if (counts) lines.push(...remarks.map((remark) => `    ${remark}`));
  }
  process.stdout.write(`${lines.join("\n")}\n`);
  return unexpected;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { revision: { type: "string" }, way: { type: "string" } } });
  const revisions = REVISIONS.filter((one) => values.revision === undefined || values.revision === one);
  // With kills only when asked for: on a busy machine a task that is taken up again takes longer than the 10 s that the suite waits.
  const ways = WAYS.filter((one) => (values.way === undefined ? one !== "kills" : values.way === one));
  const engine = dynalite({ createTableMs: 0 }).listen(0, "127.0.0.1");
  await once(engine, "listening");
  try {
    const endpoint = `http://127.0.0.1:${(engine.address() as AddressInfo).port}`;
    await createTable(endpoint);
    const fleetOf = (size: number, speed: number) =>
      Fleet.start({ size, env: {}, serve: (port) => fixtureOn(port, endpoint, speed) });
    await using fleet = await fleetOf(2, 1);
    await using killed = await fleetOf(ways.includes("kills") ? 2 : 0, KILLED_SPEED);
    const addressesOf = (one: Fleet) => one.live.map(({ address }) => address);
    await using balancer = await RoundRobin.start(() => addressesOf(fleet));
    const killer = new Killer(killed);
    await using killing = await RoundRobin.start(
      () => addressesOf(killed),
      (open) => killer.before(open),
    );
    const addressOf = { direct: addressesOf(fleet)[0] ?? "", "round-robin": balancer.address, kills: killing.address };
    let unexpected = 0;
    for (const revision of revisions)
      for (const way of ways) {
        // The rebinding scenario wants a server that it reaches as localhost.
        const url = new URL("/mcp", addressOf[way].replace("127.0.0.1", "localhost")).href;
        unexpected += report(revision, way, await run(revision, url));
        if (way !== "kills") continue;
        await killer.settle();
        process.stdout.write(`  ${killer.kills} instances killed\n`);
      }
    return unexpected === 0 && revisions.length > 0 && ways.length > 0 ? 0 : 1;
  } finally {
    engine.close();
    engine.closeAllConnections();
  }
}

/** The suite waits 10 s for a task, and the lease of a run that was killed lasts 20 s of its instance's clock. */
const KILLED_SPEED = 5;
/** So many requests are answered between two kills. */
const REQUESTS_PER_KILL = 7;

/**
 * Kills the oldest instance between two requests: the suite's client sends none again, so it must not lose one. Streams are cut. Another
 * one is started first, so that no request waits for a start.
 */
class Killer {
  readonly #fleet: Fleet;
  #requests = 0;
  #starting: Promise<unknown> | undefined;
  #killing: Promise<void> = Promise.resolve();
  kills = 0;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /** Resolves when a request may be sent, of which so many are open. */
  async before(open: number): Promise<void> {
    this.#requests += 1;
    if (this.#requests >= REQUESTS_PER_KILL && !this.#starting) {
      const [oldest, , another] = this.#fleet.live;
      if (!another) this.#start();
      else if (oldest && open === 0) {
        this.#requests = 0;
        this.kills += 1;
        this.#killing = oldest.process.kill();
      }
    }
    await this.#killing;
  }

  /** Not waited for. */
  #start(): void {
    this.#starting = this.#fleet
      .add()
      .catch((error: unknown) => process.stderr.write(`An instance did not start: ${error}\n`))
      .finally(() => {
        this.#starting = undefined;
      });
  }

  /** Resolves when no instance starts. */
  async settle(): Promise<void> {
    await this.#starting;
  }
}

async function createTable(endpoint: string): Promise<void> {
  const client = createDynamoDBClient({ endpoint, region: "local", credentials: TEST_CREDENTIALS });
  await setupTable(client, "mcp_state", () => {});
  client.destroy();
}

function fixtureOn(port: number, endpoint: string, speed: number): { command: string; args: readonly string[] } {
  const main = fileURLToPath(new URL("serve-fixture.ts", import.meta.url));
  return { command: process.execPath, args: ["--import", "tsx", main, String(port), endpoint, String(speed)] };
}

process.exitCode = await main();
