// The cost of one DynamoDB operation in the process that asks for it: our client and our store against the AWS SDK alone.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Bench, Bencher } from "../bench.ts";
import type { Child } from "../control.ts";
import type { Outcome } from "../outcome.ts";
import { ratios } from "../statistics.ts";

const run = promisify(execFile);

export const store: Bench = {
  id: "P5",
  title: "client CPU per DynamoDB operation",
  async run(bench) {
    const outcomes: Outcome[] = [];
    const plain = bench.start("canned-engine.ts");
    const { port } = await plain.ask("ready");
    outcomes.push(await clients(bench, "plain", `http://127.0.0.1:${port}`));
    const { key, certificate } = await certify(await bench.folder());
    const secure = await bench.start("canned-engine.ts", [key, certificate]).ask("ready");
    const trust = { NODE_EXTRA_CA_CERTS: certificate };
    outcomes.push(await clients(bench, "TLS", `https://localhost:${secure.port}`, trust));
    const endpoint = await bench.engine();
    const [ours, sdk] = await inTurn(bench, [
      { name: "our store", child: bench.start("store-ours.ts", [endpoint]) },
      { name: "AWS SDK", child: bench.start("store-sdk.ts", [endpoint]) },
    ]);
    outcomes.push(outcome("get and update in turn, the whole store: CPU per operation", ours, sdk, 2.5));
    return outcomes;
  },
};

async function clients(bench: Bencher, over: string, endpoint: string, env: Record<string, string> = {}) {
  const [ours, sdk] = await inTurn(bench, [
    { name: `our client, ${over}`, child: bench.start("client-ours.ts", [endpoint], { env }) },
    { name: `AWS SDK, ${over}`, child: bench.start("client-sdk.ts", [endpoint], { env }) },
  ]);
  return outcome(`update, 16 at once, ${over}: CPU per operation`, ours, sdk, 3);
}

const outcome = (measure: string, ours: number[], sdk: number[], atLeast: number): Outcome => ({
  measure,
  unit: "µs",
  ours,
  baseline: { name: "AWS SDK", values: sdk },
  ratios: ratios(sdk, ours),
  goal: { of: "ratio", atLeast },
});

type Sides = readonly [{ name: string; child: Child }, { name: string; child: Child }];

/** CPU per operation of each side, round after round. */
async function inTurn(bench: Bencher, [ours, baseline]: Sides): Promise<[number[], number[]]> {
  const operations = bench.storeCalls;
  const cpuOf = async ({ child }: Sides[number], count: number) => {
    const before = await child.ask("cpu");
    await child.ask("operations", count);
    return ((await child.ask("cpu")) - before) / count;
  };
  for (const side of [ours, baseline]) {
    bench.progress(`warming ${side.name}`);
    await cpuOf(side, 2 * operations);
  }
  const rounds = await bench.rounds(async (_, say) => {
    say(ours.name);
    return [await cpuOf(ours, operations), await cpuOf(baseline, operations)] as const;
  });
  return [rounds.map(([cpu]) => cpu), rounds.map(([, cpu]) => cpu)];
}

/** A key and a certificate for localhost, for as long as the benchmark runs. */
async function certify(folder: string): Promise<{ key: string; certificate: string }> {
  const key = join(folder, "key.pem");
  const certificate = join(folder, "certificate.pem");
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const what = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
  await run("openssl", [...what, ...subject, "-keyout", key, "-out", certificate]);
  return { key, certificate };
}
