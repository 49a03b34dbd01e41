// A Lambda function's cold start: what its asset weighs, and how much longer it takes to load than an empty handler.
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ITEMS_MODULE, LAMBDA_BUNDLE } from "@stateful-mcp/adapters/lambda/bundle";
import { build } from "esbuild";
import type { Bench } from "../bench.ts";

const run = promisify(execFile);
const runner = fileURLToPath(new URL("../servers/lambda-init.ts", import.meta.url));
const emptyHandler = 'export const bufferedHandler = async () => ({ statusCode: 200, body: "" });';

interface Times {
  readonly loadedMs: number;
  readonly answeredMs: number;
}

export const coldStart: Bench = {
  id: "P6",
  title: "Lambda cold start, against an empty handler",
  async run(bench) {
    const folder = await bench.folder();
    const empty = join(folder, "empty.mjs");
    await writeFile(empty, emptyHandler);
    const asset = join(folder, "server.mjs");
    const { resolve } = createRequire(import.meta.url);
    const entry = resolve("@stateful-mcp/adapters/lambda/entries/server");
    const alias = {
      ...LAMBDA_BUNDLE.alias,
      [ITEMS_MODULE]: resolve("@stateful-mcp/adapters/lambda/entries/no-items"),
    };
    const { metafile } = await build({
      ...LAMBDA_BUNDLE,
      alias,
      entryPoints: [entry],
      outfile: asset,
      metafile: true,
    });
    const bytes = Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
    for (const one of [asset, empty]) await start(one);
    const rounds = await bench.rounds(async (_, say) => {
      say("starts");
      return { ours: await start(asset), empty: await start(empty) };
    });
    const times = { ours: rounds.map(({ ours }) => ours), empty: rounds.map(({ empty: bare }) => bare) };
    const beyond = (time: keyof Times) =>
      times.ours.map((ours, round) => ours[time] - (times.empty[round]?.[time] ?? 0));
    const baseline = (time: keyof Times) => ({
      name: "empty, whole",
      values: times.empty.map((empty) => empty[time]),
    });
    const ratios = (time: keyof Times) =>
      times.ours.map((ours, round) => ours[time] / (times.empty[round]?.[time] ?? 1));
    return [
      { measure: "asset, minified", unit: "KiB", ours: [bytes / 1024], goal: { of: "ours", atMost: 250 } },
      {
        measure: "init, beyond an empty handler's",
        unit: "ms",
        ours: beyond("loadedMs"),
        baseline: baseline("loadedMs"),
        ratios: ratios("loadedMs"),
        goal: { of: "ours", atMost: 104 },
        note: "the ratio is of the whole init, from the start of the process; the goal is a third of what it was on the machine where it was set",
      },
      {
        measure: "init and first answer, beyond an empty handler's",
        unit: "ms",
        ours: beyond("answeredMs"),
        baseline: baseline("answeredMs"),
        ratios: ratios("answeredMs"),
      },
    ];
  },
};

async function start(asset: string): Promise<Times> {
  const env = {
    ...process.env,
    AWS_REGION: "eu-west-1",
    LOG_LEVEL: "silent",
    MCP_STATE_BACKEND: "dynamodb",
    STATEFUL_MCP_TRUST_AUTHORIZER: "on",
  };
  const { stdout } = await run(process.execPath, [runner, asset], { env });
  return JSON.parse(stdout) as Times;
}
