// `doctor`: walks from the runtime to both protocol eras, and says how to fix what is wrong on the way.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import {
  type Backend,
  chooseAccess,
  inUse,
  type LoadOptions,
  loadConfig,
  openBackend,
  openItems,
  saysItIs,
} from "@stateful-mcp/adapters/process";
import { AppError, type Config, PROTOCOL_REVISIONS, READY_SERVER, silentLogger } from "@stateful-mcp/core/runtime";
import { type Check, type ReportOptions, runChecks } from "../checklist.ts";
import { EXIT } from "../run.ts";
import { COMMAND, VERSION } from "../version.ts";

/** How long the server that the doctor starts may take to answer, in milliseconds. */
const ANSWER_MS = 20_000;

/** What earlier checks found for later ones. */
interface Findings {
  config?: Config;
  backend?: Backend;
}

export async function doctor({ json, ...options }: LoadOptions & ReportOptions): Promise<number> {
  const found: Findings = {};
  const checks = [
    runtime,
    configuration(found, options),
    backend(found),
    table(found),
    permissions(found),
    itemTables(found),
    access(found),
    port(found),
    protocol,
  ];
  try {
    return await runChecks(checks, { ...(json && { json }) });
  } finally {
    await found.backend?.close();
  }
}

const runtime: Check = {
  name: "runtime",
  // A Node.js that does not run this has been refused before this.
  fix: "Install Node.js 24 from https://nodejs.org",
  run: async () => {
    return `Node.js ${process.versions.node} on ${process.platform} ${process.arch}, stateful-mcp ${VERSION}`;
  },
};

const configuration = (found: Findings, options: LoadOptions): Check => ({
  name: "configuration",
  fix: "Correct this variable in the environment or in the file that --env-file names",
  essential: true,
  run: async () => {
    found.config = loadConfig(options);
    return `backend ${found.config.backend}, table ${found.config.table}`;
  },
});

const backend = (found: Findings): Check => ({
  name: "file, or credentials and region",
  fix: "Follow what the line above says; for DynamoDB, `aws sts get-caller-identity` shows which credentials are found",
  essential: true,
  run: async () => {
    found.backend = await openBackend(found.config!);
    const { client, location } = found.backend;
    if (client === undefined) return location;
    const { accessKeyId } = await client.credentials();
    const identity = found.config?.backend === "dynamodb" ? `, access key …${accessKeyId.slice(-4)}` : "";
    return `${location}${identity}`;
  },
});

const table = (found: Findings): Check => ({
  name: "table and TTL",
  fix: `Run \`${COMMAND} setup\`, which creates what is missing and changes nothing else`,
  essential: true,
  run: async () => {
    const { table: name, backend: kind } = found.config!;
    if (kind === "local") return "one file, which sweeps what has expired";
    if (kind === "memory") return "not needed in memory";
    const { inspectTable, isUsable } = await import("@stateful-mcp/core/dynamodb");
    const client = await found.backend!.openSdkClient();
    const state = await inspectTable(client, name).finally(() => client.destroy());
    if (!state.exists) throw new Error(`there is no table ${name}`);
    if (!state.keySchemaOk) throw new Error(`the table ${name} belongs to something else: its keys are not ours`);
    if (!isUsable(state.status))
      throw new Error(`the table ${name} is ${state.status.toLowerCase()}: it must become active first`);
    if (state.ttl === "off") throw new Error(`the table ${name} has no TTL, so expired entries stay and cost money`);
    return `${name} is ${state.status.toLowerCase()}, TTL ${state.ttl}`;
  },
});

const permissions = (found: Findings): Check => ({
  name: "write, change, read, list, delete",
  fix: "Allow dynamodb:PutItem, GetItem, BatchGetItem, UpdateItem, DeleteItem and Query on the table to these credentials",
  essential: true,
  run: async () => {
    const { store } = found.backend!;
    const key = { pk: "DOCTOR", sk: randomUUID() };
    const expiresAt = Math.floor(Date.now() / 1000) + 3600;
    const written = await store.create(key, { probe: true }, { id: key.sk, expiresAt });
    if (!written.written) throw new Error("an entry could not be written");
    if ((await store.get(key))?.attributes.probe !== true) throw new Error("an entry just written cannot be read");
    if ((await store.getMany([key, { ...key, sk: "none" }]))[0] === undefined)
      throw new Error("an entry just written cannot be read together with another");
    const changed = await store.update(key, { increment: { attribute: "count", by: 1 } }, { on: "live" });
    if (!changed.applied) throw new Error("an entry just written cannot be changed");
    if ((await store.list(key.pk, { prefix: key.sk, limit: 1 })).entries.length !== 1)
      throw new Error("an entry just written is missing from its partition's list");
    if (!(await store.delete(key))) throw new Error("an entry just written cannot be deleted");
    return "a probe entry came and went";
  },
});

const itemTables = (found: Findings): Check => ({
  name: "tables of the item tools",
  fix: "Correct DYNAMODB_TABLE_NAME, or allow dynamodb:DescribeTable on these tables",
  run: async () => {
    const opened = await openItems(found.config!, found.backend!);
    if (!opened?.items) return "none configured";
    const { store, tables } = opened.items;
    try {
      for (const { name } of tables) await store.describe(name, true);
      return tables.map(({ name, mode }) => `${name} (${mode})`).join(", ");
    } finally {
      opened.close();
    }
  },
});

const ACCESS = {
  local: "this machine, without a token",
  tokens: "holders of a static token",
  oauth: "holders of an OAuth issuer's token",
  anonymous: "everybody",
  carrier: "callers whom a carrier has authenticated",
};

const access = (found: Findings): Check => ({
  name: "who may call over HTTP",
  fix: `Follow what the line above says; \`${COMMAND} token <name>\` mints a token`,
  run: async () => ACCESS[chooseAccess(found.config!, { kind: "http", allowAnonymous: false }, silentLogger).mode],
});

const port = (found: Findings): Check => ({
  name: "port for HTTP",
  fix: "Stop what listens there, or set PORT to another one (0 takes a free one)",
  run: async () => {
    const { host, port: wanted } = found.config!;
    const server = createServer().listen(wanted, host);
    try {
      await once(server, "listening");
      return wanted === 0 ? "any free one" : `${wanted} on ${host} is free`;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EADDRINUSE" && (await saysItIs(READY_SERVER, host, wanted)))
        return inUse(READY_SERVER, host, wanted);
      const why = code === "EADDRINUSE" ? "another program listens there" : String(code);
      throw new Error(`${wanted} on ${host} cannot be used: ${why}`, { cause: error });
    } finally {
      server.close();
    }
  },
});

const protocol: Check = {
  name: "stdio, both protocol revisions, clean stdout",
  fix: "Run `stateful-mcp` with LOG_LEVEL=debug and look at what it writes to stderr",
  run: async () => {
    const lines = await askOverStdio([
      {
        method: "server/discover",
        params: {
          _meta: {
            "io.modelcontextprotocol/protocolVersion": PROTOCOL_REVISIONS[0],
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": { name: "stateful-mcp-doctor", version: VERSION },
          },
        },
      },
      {
        method: "initialize",
        params: {
          protocolVersion: PROTOCOL_REVISIONS[1],
          capabilities: {},
          clientInfo: { name: "stateful-mcp-doctor", version: VERSION },
        },
      },
    ]);
    for (const { error } of lines)
      if (error !== undefined) throw new Error(`the server answered ${JSON.stringify(error)}`);
    return `${PROTOCOL_REVISIONS.join(" and ")}, ${lines.length} answers and nothing else on stdout`;
  },
};

interface Answer {
  jsonrpc?: unknown;
  id?: unknown;
  error?: unknown;
}

/** Starts this program as a client would, sends the requests, and gives back every line of its stdout. */
async function askOverStdio(requests: readonly object[]): Promise<Answer[]> {
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!], { stdio: ["pipe", "pipe", "pipe"] });
  const deadline = setTimeout(() => child.kill("SIGKILL"), ANSWER_MS);
  let output = "";
  let complaint = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = text.trim();
  });
  child.stdin.on("error", () => {});
  child.stdin.end(requests.map((request, id) => `${JSON.stringify({ jsonrpc: "2.0", id, ...request })}\n`).join(""));
  const [code] = await once(child, "close");
  clearTimeout(deadline);
  if (code !== EXIT.done)
    throw new Error(`the server ended with ${code ?? "no answer in time"}: ${complaint.slice(0, 300)}`);
  const answers = output.split("\n").filter(Boolean).map(parseLine);
  if (answers.length !== requests.length) throw new Error(`${requests.length} requests got ${answers.length} answers`);
  return answers;
}

function parseLine(line: string): Answer {
  try {
    const answer = JSON.parse(line) as Answer;
    if (answer.jsonrpc === "2.0") return answer;
  } catch {
    // Said below.
  }
  throw new AppError("internal", `stdout carries something that is no protocol: ${JSON.stringify(line.slice(0, 100))}`);
}
