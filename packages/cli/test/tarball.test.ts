// What a user installs: the packed file, in an empty folder, through npm; and the bundle for a double click.
// One file of tests, because both build into the same folder.
import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { startSink } from "@stateful-mcp/rig";
import dynalite from "dynalite";
import { expect, it, onTestFinished } from "vitest";
import type { Sbom } from "../sbom.ts";
import { temporaryDirectory } from "./process.ts";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const execute = promisify(execFile);

interface Launch {
  command: string;
  args: string[];
}

/** Writes down each native library that is loaded and each program that is started. */
const PROBE = `
import children from "node:child_process";
import { appendFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
const note = (what) => appendFileSync(process.env.STARTED, what + "\\n");
note("began");
// All that starts a program and does not wait for it comes through here.
const { prototype } = children.ChildProcess;
const start = prototype.spawn;
prototype.spawn = function (...given) { note("spawn " + given[0].file); return start.apply(this, given); };
for (const name of ["execFileSync", "execSync", "spawnSync"]) {
  const real = children[name];
  children[name] = (...given) => (note(name + " " + given[0]), real(...given));
}
const dlopen = process.dlopen;
process.dlopen = (...given) => (note("dlopen " + given[1]), dlopen.apply(process, given));
syncBuiltinESMExports();
`;

/** A user's own SDK, which writes each span that has ended into a file. */
const ofAdapters = createRequire(new URL("../../adapters/package.json", import.meta.url)).resolve;
const SDK = `
const { appendFileSync } = require("node:fs");
const { context, propagation, trace } = require(${JSON.stringify(ofAdapters("@opentelemetry/api"))});
const { AsyncLocalStorageContextManager } = require(${JSON.stringify(ofAdapters("@opentelemetry/context-async-hooks"))});
const { W3CTraceContextPropagator } = require(${JSON.stringify(ofAdapters("@opentelemetry/core"))});
const { SimpleSpanProcessor, TracerProvider } = require(${JSON.stringify(ofAdapters("@opentelemetry/sdk-trace"))});
const write = ({ name, parentSpanContext }) =>
  appendFileSync(process.env.SPANS, JSON.stringify({ name, parentSpanId: parentSpanContext?.spanId }) + "\\n");
const exporter = {
  export: (spans, done) => (spans.forEach(write), done({ code: 0 })),
  forceFlush: async () => {},
  shutdown: async () => {},
};
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());
trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
`;

it("installs from its tarball alone, and remembers a note after a restart", { timeout: 180_000 }, async () => {
  const folder = temporaryDirectory();
  await execute("npx", ["-y", "pnpm@10.34.9", "pack", "--pack-destination", folder], { cwd: PACKAGE });
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"))!;
  await execute("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", join(folder, tarball)], {
    cwd: folder,
  });

  const installed = join(folder, "node_modules", "stateful-mcp");
  const manifest = readFileSync(join(installed, "package.json"), "utf8");
  expect(manifest).not.toContain("workspace:");
  expect(Object.keys(JSON.parse(manifest).dependencies)).toEqual(["dynalite"]);
  const notices = readFileSync(join(installed, "dist", "THIRD-PARTY-NOTICES.txt"), "utf8");
  for (const bundled of ["hono", "zod", "@modelcontextprotocol/server", "lru-cache", "jose"])
    expect(notices).toMatch(new RegExp(`^${bundled} \\d+\\.\\d+\\.\\d+.* \\(\\S+\\)$`, "m"));
  expect(notices).toContain("Permission is hereby granted, free of charge");
  const { components } = JSON.parse(readFileSync(join(installed, "dist", "sbom.cdx.json"), "utf8")) as Sbom;
  expect(components.map(({ name }) => name)).toEqual(expect.arrayContaining(["hono", "zod", "dynalite", "level"]));

  // The program enters itself into a client's configuration, and what it wrote there is what is started below.
  const file = join(folder, "mcp.json");
  const bin = join(folder, "node_modules", ".bin", "stateful-mcp");
  const path = `${dirname(process.execPath)}:${process.env.PATH}`;
  await execute(bin, ["install", "cursor", "--path", file, "--yes"], { env: { PATH: path, HOME: folder } });
  const { command, args } = JSON.parse(readFileSync(file, "utf8")).mcpServers.memory as Launch;
  const withServer = async <T>(
    mode: "legacy" | { pin: string },
    use: (client: Client) => Promise<T>,
    env: Record<string, string> = { PATH: path, HOME: folder },
  ): Promise<T> => {
    const client = new Client({ name: "tarball-test", version: "1" }, { versionNegotiation: { mode } });
    const transport = new StdioClientTransport({
      command,
      args,
      cwd: folder,
      env,
      stderr: "ignore",
    });
    await client.connect(transport);
    try {
      return await use(client);
    } finally {
      await client.close();
    }
  };
  const added = await withServer({ pin: "2026-07-28" }, (client) =>
    client.callTool({ name: "add_note", arguments: { note: "from the tarball" } }),
  );
  expect(added.structuredContent).toMatchObject({ count: 1 });

  // Spans go to an SDK that the user has registered, which has a copy of the API of its own, or to a collector without one.
  await using sink = await startSink();
  const spans = join(folder, "spans.txt");
  writeFileSync(join(folder, "sdk.cjs"), SDK);
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  for (const telemetry of [
    { SPANS: spans, NODE_OPTIONS: `--require=${join(folder, "sdk.cjs")}` },
    { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url },
  ])
    await withServer(
      { pin: "2026-07-28" },
      (client) => client.callTool({ name: "get_notes", arguments: {}, _meta: { traceparent } }),
      { PATH: path, HOME: folder, ...telemetry },
    );
  const span = { name: "tools/call get_notes", parentSpanId: "b7ad6b7169203331" };
  const seen = readFileSync(spans, "utf8").trim().split("\n");
  expect(seen.map((line) => JSON.parse(line) as unknown)).toContainEqual(span);
  await expect.poll(() => sink.spans, { timeout: 100_000 }).toContainEqual(expect.objectContaining(span));

  const project = join(folder, "2nd.server");
  await execute(join(folder, "node_modules", ".bin", "stateful-mcp"), ["create", project], { cwd: folder });
  expect(JSON.parse(readFileSync(join(project, "package.json"), "utf8"))).toMatchObject({
    name: "2nd.server",
    dependencies: { "@stateful-mcp/core": `^${JSON.parse(manifest).version}` },
  });
  expect(readFileSync(join(project, ".gitignore"), "utf8")).toContain("node_modules");
  // Names of stacks have to begin with a letter, and have no dots.
  expect(readFileSync(join(project, "deploy", "app.ts"), "utf8")).toContain('"mcp-2nd-server-lambda"');
  expect(readFileSync(join(project, "README.md"), "utf8")).toContain("npx cdk deploy mcp-2nd-server-lambda");
  const read = await withServer("legacy", (client) => client.callTool({ name: "get_notes", arguments: {} }));
  expect(read.structuredContent).toMatchObject({ notes: ["from the tarball"] });

  // Hosts refuse native code that they did not sign, and programs that start others: on this machine's state there is neither.
  const started = join(folder, "started.txt");
  writeFileSync(join(folder, "probe.mjs"), PROBE);
  const probed = { STARTED: started, NODE_OPTIONS: `--import=${pathToFileURL(join(folder, "probe.mjs"))}` };
  const local = { PATH: path, HOME: folder, ...probed };
  for (const mode of ["legacy", { pin: "2026-07-28" }] as const) {
    await withServer(
      mode,
      async (client) => {
        await client.callTool({ name: "store_value", arguments: { key: "large", value: "x".repeat(100_000) } });
        await client.callTool({ name: "get_value", arguments: { key: "large" } });
        await client.callTool({ name: "echo_cached", arguments: { text: "a" } });
      },
      local,
    );
  }
  expect(new Set(readFileSync(started, "utf8").trim().split("\n"))).toEqual(new Set(["began"]));

  // On a table, with credentials that a profile's program prints: what the bundle loads late, or lazily.
  const engine = dynalite({ createTableMs: 0 }).listen(0, "127.0.0.1");
  onTestFinished(() => void engine.close());
  await once(engine, "listening");
  const printed = { Version: 1, AccessKeyId: "test", SecretAccessKey: "test" };
  writeFileSync(join(folder, "credentials.json"), JSON.stringify(printed));
  writeFileSync(join(folder, "config"), `[default]\ncredential_process = cat ${join(folder, "credentials.json")}\n`);
  const onTable = {
    PATH: path,
    HOME: folder,
    MCP_STATE_BACKEND: "dynamodb",
    MCP_STATE_TABLE: "mcp-state",
    DYNAMODB_ENDPOINT_URL: `http://127.0.0.1:${(engine.address() as AddressInfo).port}`,
    DYNAMODB_TABLE_NAME: "orders",
    AWS_REGION: "eu-central-1",
    AWS_CONFIG_FILE: join(folder, "config"),
    AWS_EC2_METADATA_DISABLED: "true",
    ...probed,
  };
  await execute(bin, ["setup"], { env: onTable });
  await execute(bin, ["demo-table", "orders"], { env: onTable });
  const call = (name: string, args: Record<string, unknown>) =>
    withServer("legacy", (client) => client.callTool({ name, arguments: args }), onTable);
  await call("store_value", { key: "k", value: 1 });
  expect((await call("increment_value", { key: "k" })).structuredContent).toMatchObject({ value: 2 });
  // The program that prints the credentials was started: what was looked at above is really seen.
  expect(readFileSync(started, "utf8")).toContain("spawn");
  const got = await call("get_item", { key: { PK: "CUSTOMER#none", SK: "PROFILE" } });
  expect(got.structuredContent).toMatchObject({ found: false });
});

const tool = join(PACKAGE, "node_modules", ".bin", "mcpb");
const missing = spawnSync(tool, ["--version"]).status === 0 ? "" : ` (SKIPPED: ${tool} cannot be run here)`;
if (missing) process.stderr.write(`The .mcpb bundle is not tested${missing}\n`);

it.skipIf(missing)(`packs a bundle that starts as its manifest says${missing}`, { timeout: 180_000 }, async () => {
  const folder = temporaryDirectory();
  const bundle = join(folder, "bundle.mcpb");
  const { stdout } = await execute("npx", ["-y", "pnpm@10.34.9", "--silent", "run", "mcpb", bundle], { cwd: PACKAGE });
  // A line for each step: what the steps print themselves would fill the screen.
  expect(stdout.trim().split("\n")).toEqual([...Array(4).fill(expect.stringMatching(/^\w[\w ,]+$/)), bundle]);
  const unpacked = join(folder, "unpacked");
  await execute(tool, ["unpack", bundle, unpacked]);
  const validated = await execute(tool, ["validate", join(unpacked, "manifest.json")]);
  expect(validated.stdout).toContain("Manifest schema validation passes!");
  const { version } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"));
  const manifest = JSON.parse(readFileSync(join(unpacked, "manifest.json"), "utf8"));
  expect(manifest).toMatchObject({ name: "stateful-mcp", version });

  const { command, args } = manifest.server.mcp_config as Launch;
  const client = new Client({ name: "bundle-test", version: "1" });
  await client.connect(
    new StdioClientTransport({
      command: command === "node" ? process.execPath : command,
      // biome-ignore lint/suspicious/noTemplateCurlyInString: what a host replaces.
      args: args.map((argument) => argument.replace("${__dirname}", unpacked)),
      cwd: folder,
      env: { PATH: process.env.PATH ?? "", HOME: folder },
      stderr: "ignore",
    }),
  );
  const added = await client.callTool({ name: "add_note", arguments: { note: "from the bundle" } });
  expect(added.structuredContent).toMatchObject({ count: 1 });
  await client.close();
});

it("rehearses a release: all its files, and nothing published", { timeout: 240_000 }, async () => {
  const out = join(temporaryDirectory(), "release");
  const root = join(PACKAGE, "../..");
  const command = ["-y", "pnpm@10.34.9", "--silent", "release", "--dry-run", "--out", out];
  const { stdout } = await execute("npx", command, { cwd: root });
  const names = ["adapters", "cdk", "core", "local"].map((name) => `stateful-mcp-${name}-0.1.0.tgz`);
  const made = ["THIRD-PARTY-NOTICES.txt", "sbom.cdx.json", "server.json", "stateful-mcp-0.1.0.mcpb", "SHA256SUMS"];
  expect(readdirSync(out).toSorted()).toEqual([...names, ...made, "stateful-mcp-0.1.0.tgz"].toSorted());
  expect(stdout).toContain("Would publish @stateful-mcp/core from stateful-mcp-core-0.1.0.tgz");
  expect(stdout).toContain("Nothing was published.");
  const sums = readFileSync(join(out, "SHA256SUMS"), "utf8").trim().split("\n");
  expect(sums).toHaveLength(names.length + made.length);
});
