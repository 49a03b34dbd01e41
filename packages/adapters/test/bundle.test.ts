// What a cold start loads. The budget is what was measured and 10 %; who raises it says why in the commit.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { APP_MODULE, BLOBS_MODULE, ITEMS_MODULE, LAMBDA_BUNDLE, TASK_QUEUE_MODULE } from "../src/lambda/bundle.ts";

const { resolve } = createRequire(import.meta.url);

async function bundle(entry: string, alias: Record<string, string>) {
  const { metafile, outputFiles } = await build({
    ...LAMBDA_BUNDLE,
    alias: { ...LAMBDA_BUNDLE.alias, ...alias },
    entryPoints: [resolve(`@stateful-mcp/adapters/lambda/entries/${entry}`)],
    metafile: true,
    write: false,
    outfile: "out.mjs",
  });
  const [output] = Object.values(metafile.outputs);
  const used = Object.entries(output?.inputs ?? {}).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
  const [file] = outputFiles;
  return { inputs: used.map(([path]) => path), bytes: file?.contents.length ?? 0, text: file?.text ?? "" };
}

const packagesOf = (inputs: readonly string[]): string[] => [
  ...new Set(inputs.map((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? "")),
];

/** What other parts of the product need, and what an environment with its credentials at hand never does. */
const UNNEEDED = [
  /^dynalite$|^classic-level$|^level/,
  /^commander$/,
  /^pino-pretty$/,
  /^ajv/,
  /^@hono\/node-server$/,
  /^@modelcontextprotocol\/(client|sdk)$/,
  /^@aws-sdk\/(credential-provider-(?!env$)|nested-clients|token-providers|client-s)/,
  /^@smithy\/credential-provider-imds$/,
];

const NO_ITEMS = { [ITEMS_MODULE]: resolve("@stateful-mcp/adapters/lambda/entries/no-items") };

describe.each([
  { name: "server", entry: "server", alias: NO_ITEMS, budget: 733_000, unneeded: UNNEEDED },
  {
    name: "server of an app written with this package alone",
    entry: "server",
    alias: { ...NO_ITEMS, [APP_MODULE]: fileURLToPath(new URL("./one-package-app.ts", import.meta.url)) },
    budget: 738_000,
    unneeded: UNNEEDED,
  },
  {
    name: "server with a bucket",
    entry: "server",
    alias: { ...NO_ITEMS, [BLOBS_MODULE]: resolve("@stateful-mcp/adapters/lambda/entries/s3-blobs") },
    budget: 1_075_000,
    unneeded: [...UNNEEDED.slice(0, -2), /credential-provider-(?!env$)|nested-clients/],
  },
  {
    name: "server with a queue for tasks",
    entry: "server",
    alias: { ...NO_ITEMS, [TASK_QUEUE_MODULE]: resolve("@stateful-mcp/adapters/lambda/entries/sqs-tasks") },
    budget: 925_000,
    unneeded: [...UNNEEDED.slice(0, -2), /credential-provider-(?!env$)|nested-clients/],
  },
  {
    name: "task worker",
    entry: "task-worker",
    alias: NO_ITEMS,
    budget: 920_000,
    unneeded: [...UNNEEDED.slice(0, -2), /credential-provider-(?!env$)|nested-clients/],
  },
  {
    name: "authorizer",
    entry: "authorizer",
    alias: {},
    budget: 199_000,
    unneeded: [
      ...UNNEEDED.slice(0, -2),
      /credential-provider-(?!env$)|nested-clients/,
      /^@modelcontextprotocol/,
      /^hono$/,
      /^pino/,
      /^zod$/,
      /dynamodb/,
    ],
  },
  {
    name: "OAuth authorizer",
    entry: "oauth-authorizer",
    alias: {},
    budget: 46_000,
    unneeded: [...UNNEEDED, /^@aws-sdk/, /^@smithy/, /^@modelcontextprotocol/, /^hono$/, /^pino/, /^zod$/],
  },
])("the $name function's bundle", ({ name, entry, alias, budget, unneeded }) => {
  it(`is at most ${budget.toLocaleString("en")} bytes and holds nothing the function never uses`, async () => {
    const { inputs, bytes, text } = await bundle(entry, alias);
    const packages = packagesOf(inputs);
    process.stdout.write(`${name}: ${bytes} bytes minified, ${gzipSync(text).length} zipped\n`);
    expect(bytes).toBeLessThanOrEqual(budget);
    expect(packages.filter((one) => unneeded.some((pattern) => pattern.test(one)))).toEqual([]);
    expect(
      inputs.filter((path) =>
        /packages\/(local|cli)\/|adapters\/src\/console|core\/src\/testing\/|ajvProvider|zod\/.*locales\/(?!en|index)/.test(
          path,
        ),
      ),
    ).toEqual([]);
    // One copy of zod: schemas of two do not know each other.
    const zods = new Set(inputs.flatMap((path) => /(.*node_modules\/zod)\//.exec(path)?.[1] ?? []));
    expect(zods.size).toBeLessThanOrEqual(1);
  });
});
