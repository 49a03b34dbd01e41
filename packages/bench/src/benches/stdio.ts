// stdio: from the start of the process to its first answer, and CPU per call with 32 in flight, beside the bare SDK.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Bench } from "../bench.ts";
import { Child } from "../control.ts";
import { messageOf, modernCall } from "../requests.ts";
import { ratios } from "../statistics.ts";

const inFlight = 32;

export const stdio: Bench = {
  id: "P9",
  title: "stdio, against the bare SDK",
  async run(bench) {
    const endpoint = await bench.engine();
    const folder = await mkdtemp(join(tmpdir(), "stateful-mcp-bench-"));
    try {
      // Both are bundled, because that is how ours is shipped.
      const sides = [
        { name: "ours", file: await bundle("stdio-ours.ts", folder), start: [] as number[], cpu: [] as number[] },
        {
          name: "bare SDK",
          file: await bundle("stdio-official.ts", folder),
          start: [] as number[],
          cpu: [] as number[],
        },
      ] as const;
      for (let round = 0; round <= bench.settings.rounds; round++) {
        for (const side of sides) {
          bench.progress(
            round === 0 ? `warming ${side.name}` : `round ${round} of ${bench.settings.rounds}: ${side.name}`,
          );
          const { startMs, cpu } = await measure(side.file, endpoint, bench.settings.calls);
          if (round === 0) continue;
          side.start.push(startMs);
          side.cpu.push(cpu);
        }
      }
      const [ours, sdk] = sides;
      return [
        {
          measure: "start to first answer",
          unit: "ms",
          ours: ours.start,
          baseline: { name: sdk.name, values: sdk.start },
          ratios: ratios(sdk.start, ours.start),
          goal: { of: "ours", atMost: 150 },
        },
        {
          measure: `echo: CPU per call, ${inFlight} in flight`,
          unit: "µs",
          ours: ours.cpu,
          baseline: { name: sdk.name, values: sdk.cpu },
          ratios: ratios(sdk.cpu, ours.cpu),
          goal: { of: "ours", atMost: 60 },
        },
      ];
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

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

async function measure(file: string, endpoint: string, calls: number): Promise<{ startMs: number; cpu: number }> {
  const began = performance.now();
  const child = new Child(file, [endpoint], { piped: true });
  try {
    const talk = conversation(child);
    await talk(0);
    const startMs = performance.now() - began;
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
    return { startMs, cpu: ((await child.ask("cpu")) - before) / calls };
  } finally {
    await child.stop();
  }
}

/** A function that sends echo call `id` and resolves once its answer has come and is right. */
function conversation(child: Child): (id: number) => Promise<void> {
  const { stdin, stdout } = child.process;
  if (stdin === null || stdout === null) throw new Error("the process was started without pipes");
  const waiting = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  const fail = (reason: string) => {
    for (const { reject } of waiting.values()) reject(new Error(reason));
    waiting.clear();
  };
  createInterface({ input: stdout }).on("line", (line) => {
    const message = messageOf(line) as { id: number; result?: { structuredContent?: { text?: string } } };
    if (message.result?.structuredContent?.text !== `call ${message.id}`) return fail(`wrong answer: ${line}`);
    waiting.get(message.id)?.resolve();
    waiting.delete(message.id);
  });
  child.process.once("exit", (code) => fail(`the process ended with exit code ${code}`));
  return (id) =>
    new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      stdin.write(`${modernCall(id, "echo", { text: `call ${id}` }).body}\n`);
    });
}
