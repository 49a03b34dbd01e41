// Every official client over every transport, each against a server process of its own that can be killed at any moment.
// Knows nothing of what is called.
import { fileURLToPath } from "node:url";
import { Client, StreamableHTTPClientTransport, type VersionNegotiationMode } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as StdioTransport1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as HttpTransport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport as Transport1 } from "@modelcontextprotocol/sdk/shared/transport.js";
import { freePort, ServerProcess } from "@stateful-mcp/rig";

const CLI = ["--import", import.meta.resolve("tsx"), fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url))];
/** The server under test: the checkout's, or another one, as a JSON array of its command and arguments. */
const [COMMAND, ...ARGUMENTS]: [string, ...string[]] = process.env.END_TO_END_COMMAND
  ? JSON.parse(process.env.END_TO_END_COMMAND)
  : [process.execPath, ...CLI];
/** The owner of its data, as numbers of a user and a group, where the server is another user's process. */
export const OWNER = process.env.END_TO_END_USER?.split(":").map(Number);
const INFO = { name: "end-to-end", version: "1" };

export type Structured = Record<string, unknown>;

/** What the clients have in common. */
interface AnyClient {
  callTool(params: { name: string; arguments: Record<string, unknown> }): Promise<object>;
  close(): Promise<void>;
}

export interface Connection {
  /** The revision client and server agreed on; undefined where the client does not tell. */
  readonly revision: string | undefined;
  /** Port of the server, over HTTP. */
  readonly port?: number;
  /** Resolves with the structured result. Throws what the tool answered, or that the connection broke. */
  call(name: string, input?: Record<string, unknown>): Promise<Structured>;
  /** Ends the server with SIGKILL, then gives the client up. Does nothing the second time. */
  kill(): Promise<void>;
}

export interface Setting {
  readonly cwd: string;
  /** Added to the variables a process needs to run. */
  readonly env: Readonly<Record<string, string>>;
}

export type Connect = (setting: Setting) => Promise<Connection>;

type Remote = { readonly url: URL } | { readonly command: string; readonly args: string[]; readonly setting: Setting };

/** Opens a client to an HTTP endpoint, or to a process that it starts itself and whose id it then tells. */
type Open = (remote: Remote) => Promise<{ client: AnyClient; pid: () => number | null; revision: string | undefined }>;

const variables = (setting: Setting) => ({ PATH: process.env.PATH ?? "", HOME: setting.cwd, ...setting.env });

const spawnOptions = ({ command, args, setting }: Exclude<Remote, { url: URL }>) => ({
  command,
  args,
  cwd: setting.cwd,
  env: variables(setting),
  stderr: "ignore" as const,
});

const version2 =
  (mode: VersionNegotiationMode): Open =>
  async (remote) => {
    const client = new Client(INFO, { versionNegotiation: { mode } });
    const transport =
      "url" in remote ? new StreamableHTTPClientTransport(remote.url) : new StdioClientTransport(spawnOptions(remote));
    await client.connect(transport);
    return {
      client,
      pid: () => (transport instanceof StdioClientTransport ? transport.pid : null),
      revision: client.getNegotiatedProtocolVersion(),
    };
  };

const version1: Open = async (remote) => {
  const client = new Client1(INFO);
  const transport = "url" in remote ? new HttpTransport1(remote.url) : new StdioTransport1(spawnOptions(remote));
  // Its declarations predate exactOptionalPropertyTypes.
  await client.connect(transport as Transport1);
  return {
    client,
    pid: () => (transport instanceof StdioTransport1 ? transport.pid : null),
    revision: transport instanceof HttpTransport1 ? transport.protocolVersion : undefined,
  };
};

function connection(
  { client, revision }: Awaited<ReturnType<Open>>,
  killServer: () => Promise<void>,
  port?: number,
): Connection {
  return {
    revision,
    ...(port !== undefined && { port }),
    call: async (name, input = {}) => {
      const answer: { isError?: unknown; structuredContent?: unknown; content?: unknown } = await client.callTool({
        name,
        arguments: input,
      });
      if (answer.isError) throw new Error(`${name}: ${JSON.stringify(answer.content)}`);
      return answer.structuredContent as Structured;
    },
    kill: async () => {
      await killServer();
      await client.close().catch(() => {});
    },
  };
}

const overHttp =
  (open: Open): Connect =>
  async (setting) => {
    const port = await freePort();
    const server = await ServerProcess.start({
      command: COMMAND,
      args: [...ARGUMENTS, "serve", "--port", String(port)],
      cwd: setting.cwd,
      env: variables(setting),
      ready: new URL(`http://127.0.0.1:${port}/readyz`),
    });
    return connection(await open({ url: new URL(`http://127.0.0.1:${port}/mcp`) }), () => server.kill(), port);
  };

const overStdio =
  (open: Open): Connect =>
  async (setting) => {
    const opened = await open({ command: COMMAND, args: ARGUMENTS, setting });
    return connection(opened, async () => {
      const pid = opened.pid();
      if (pid !== null) killProcess(pid);
    });
  };

/** SIGKILL. Not waited for: the next client has to cope with a process that is just dying, too. */
export function killProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It is gone.
  }
}

export interface Pair {
  readonly name: string;
  readonly connect: Connect;
  readonly revision: string;
}

const MODERN = "2026-07-28";
const LEGACY = "2025-11-25";
const clients: [string, string, Open][] = [
  ["client 2.x pinned to 2026-07-28", MODERN, version2({ pin: MODERN })],
  ["client 2.x negotiating", MODERN, version2("auto")],
  ["client 2.x in 2025 mode", LEGACY, version2("legacy")],
  ["SDK 1.x client", LEGACY, version1],
];

export const PAIRS: readonly Pair[] = clients.flatMap(([name, revision, open]) => [
  { name: `${name} over HTTP`, revision, connect: overHttp(open) },
  { name: `${name} over stdio`, revision, connect: overStdio(open) },
]);
