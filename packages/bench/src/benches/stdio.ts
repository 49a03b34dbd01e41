// stdio: from the start of the process to its first answer, as shipped, and CPU per call with 32 in flight. Beside a bare Node script and
// the bare SDK.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import type { Bench, Bencher } from "../bench.ts";
import { Child } from "../control.ts";
import type { Outcome } from "../outcome.ts";
import { legacyInitialize, messageOf, modernCall } from "../requests.ts";
import { ratios } from "../statistics.ts";

const inFlight = 32;
/** Answers one line and no more: what a process that Node runs takes at least. */
const BARE = `process.stdin.once("data", () => process.stdout.write('{"jsonrpc":"2.0","id":0,"result":{}}\\n'));`;

export const stdio: Bench = {
  id: "P9",
  title: "start to the first answer, and stdio against the bare SDK",
  async run(bench) {
    const folder = await bench.folder();
    const official = await bundle("stdio-official.ts", folder);
    return [...(await starts(bench, folder, official)), ...(await costs(bench, folder, official))];
  },
};

async function starts(bench: Bencher, folder: string, official: string): Promise<Outcome[]> {
  const bare = join(folder, "bare.mjs");
  await writeFile(bare, BARE);
  const program = await buildProgram(join(folder, "program"));
  const env = { ...process.env, STATEFUL_MCP_DATA_DIR: join(folder, "data"), LOG_LEVEL: "error" };
  const modern = modernCall(0, "get_value", { key: "absent" }).body;
  const legacy = legacyInitialize().body;
  const sides = {
    modern: () => firstAnswer([program], env, modern),
    legacy: () => firstAnswer([program], env, legacy),
    serve: () => firstServed([program, "serve", "--port", "0"], { ...env, LOG_LEVEL: "info" }),
    bare: () => firstAnswer([bare], env, modern),
    // It does not have the tool, and says so.
    sdk: () => firstAnswer([official], env, modern),
  };
  const names = Object.keys(sides) as (keyof typeof sides)[];
  for (const name of names) await sides[name]();
  const rounds = await bench.rounds(async (_, say) => {
    const times = {} as Record<keyof typeof sides, number>;
    for (const name of names) {
      say(`start, ${name}`);
      times[name] = await sides[name]();
    }
    return times;
  });
  const of = (name: keyof typeof sides) => rounds.map((times) => times[name]);
  const beyond = (name: keyof typeof sides) => rounds.map((times) => times[name] - times.bare);
  const baseline = { name: "bare Node, whole", values: of("bare") };
  return [
    {
      measure: "stdio, local: start to first answer, beyond a bare script's",
      unit: "ms",
      ours: beyond("modern"),
      baseline,
      ratios: ratios(of("modern"), of("bare")),
      goal: { of: "ours", atMost: 120 },
      note: "ratios of starts are of whole times",
    },
    {
      measure: "the same from a host of the 2025 era",
      unit: "ms",
      ours: beyond("legacy"),
      baseline,
      ratios: ratios(of("legacy"), of("bare")),
    },
    {
      measure: "the same of the SDK's bare server",
      unit: "ms",
      ours: beyond("sdk"),
      baseline,
      ratios: ratios(of("sdk"), of("bare")),
    },
    {
      measure: "serve, local: start to first answer over HTTP, beyond a bare script's",
      unit: "ms",
      ours: beyond("serve"),
      baseline,
      ratios: ratios(of("serve"), of("bare")),
    },
  ];
}

async function costs(bench: Bencher, folder: string, official: string): Promise<Outcome[]> {
  const ours = await bundle("stdio-ours.ts", folder);
  const echo: Call = { tool: "echo", input: (id) => ({ text: `call ${id}` }), expected: (id) => `call ${id}` };
  const increment: Call = { tool: "increment_value", input: () => ({ key: "n" }), expected: () => undefined };
  const rounds = await bench.rounds(async (_, say) => {
    say("calls");
    return {
      echo: await cpuPerCall(ours, echo, bench.settings.calls),
      increment: await cpuPerCall(ours, increment, bench.settings.calls),
      sdk: await cpuPerCall(official, echo, bench.settings.calls),
    };
  });
  const sdk = rounds.map((round) => round.sdk);
  const outcome = (title: string, values: number[], atMost: number): Outcome => ({
    measure: `${title}: CPU per call, ${inFlight} in flight`,
    unit: "µs",
    ours: values,
    baseline: { name: "bare SDK, echo", values: sdk },
    ratios: ratios(sdk, values),
    goal: { of: "ours", atMost },
  });
  return [
    outcome(
      "echo",
      rounds.map((round) => round.echo),
      80,
    ),
    outcome(
      "increment in memory",
      rounds.map((round) => round.increment),
      150,
    ),
  ];
}

/** The command line as it is published. Its main file. */
async function buildProgram(folder: string): Promise<string> {
  const cli = fileURLToPath(new URL("../../../cli/", import.meta.url));
  await promisify(execFile)(process.execPath, ["build.ts", folder], { cwd: cli });
  await writeFile(join(folder, "package.json"), '{"type":"module"}');
  // Beside the program, as in the package.
  await cp(join(cli, "console"), join(folder, "../console"), { recursive: true });
  return join(folder, "main.js");
}

async function bundle(file: string, folder: string): Promise<string> {
  const outfile = join(folder, file.replace(/\.ts$/, ".mjs"));
  await build({
    entryPoints: [fileURLToPath(new URL(`../servers/${file}`, import.meta.url))],
    outfile,
    bundle: true,
    minify: true,
    platform: "node",
    format: "esm",
    target: "node24",
    // Some dependencies are CommonJS and call require for Node's own modules.
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  });
  return outfile;
}

/** Milliseconds from the start of a process to its first line on stdout, which answers `message`. */
async function firstAnswer(args: readonly string[], env: NodeJS.ProcessEnv, message: string): Promise<number> {
  const began = performance.now();
  const child = spawn(process.execPath, args, { env, stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.write(`${message}\n`);
  const [line] = await firstLine(child, child.stdout, /./);
  const ms = performance.now() - began;
  messageOf(line);
  child.stdin.end();
  await end(child);
  return ms;
}

/** Milliseconds from the start of a server to its first answer over HTTP, asked for as soon as it says where it listens. */
async function firstServed(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const began = performance.now();
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "ignore", "pipe"] });
  const [, port] = await firstLine(child, child.stderr, /http:\/\/127\.0\.0\.1:(\d+)/);
  const request = modernCall(0, "get_value", { key: "absent" });
  const response = await fetch(`http://127.0.0.1:${port}/mcp`, { method: "POST", ...request });
  messageOf(await response.text());
  const ms = performance.now() - began;
  await end(child);
  return ms;
}

function firstLine(child: ChildProcess, stream: NodeJS.ReadableStream, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    createInterface({ input: stream }).on("line", (line) => {
      const match = pattern.exec(line);
      if (match !== null) resolve(Object.assign(match, { 0: line }));
    });
    child.once("exit", (code) => reject(new Error(`${child.spawnargs.join(" ")} ended with ${code} and no answer`)));
  });
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

interface Call {
  readonly tool: string;
  input(id: number): object;
  /** The text that must come back; undefined: anything that is no error. */
  expected(id: number): string | undefined;
}

async function cpuPerCall(file: string, call: Call, calls: number): Promise<number> {
  const child = new Child(file, [], { piped: true });
  try {
    const talk = conversation(child, call);
    let next = 1;
    const send = async (until: number) => {
      const one = async () => {
        while (next <= until) await talk(next++);
      };
      await Promise.all(Array.from({ length: inFlight }, one));
    };
    await send(calls);
    const before = await child.ask("cpu");
    await send(2 * calls);
    return ((await child.ask("cpu")) - before) / calls;
  } finally {
    await child.stop();
  }
}

/** A function that sends call `id` and resolves once its answer has come and is right. */
function conversation(child: Child, { tool, input, expected }: Call): (id: number) => Promise<void> {
  const { stdin, stdout } = child.process;
  if (stdin === null || stdout === null) throw new Error("the process was started without pipes");
  const waiting = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  const fail = (reason: string) => {
    for (const { reject } of waiting.values()) reject(new Error(reason));
    waiting.clear();
  };
  createInterface({ input: stdout }).on("line", (line) => {
    const { id, result } = messageOf(line) as {
      id: number;
      result?: { isError?: boolean; structuredContent?: { text?: string } };
    };
    if (result?.structuredContent === undefined || result.isError || result.structuredContent.text !== expected(id))
      return fail(`wrong answer: ${line}`);
    waiting.get(id)?.resolve();
    waiting.delete(id);
  });
  child.process.once("exit", (code) => fail(`the process ended with exit code ${code}`));
  return (id) =>
    new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      stdin.write(`${modernCall(id, tool, input(id)).body}\n`);
    });
}
