// `doctor <url>`: tries the core tools on a running server through the official client, as a user's client would.
import { text } from "node:stream/consumers";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { AppError, firstTokenOf, PROTOCOL_REVISIONS } from "@stateful-mcp/core/runtime";
import { type Check, type ReportOptions, runChecks } from "../checklist.ts";
import { requireListening } from "../listening.ts";
import { VERSION } from "../version.ts";

type Result = Record<string, unknown>;

export interface DoctorOptions extends ReportOptions {
  /** The variable that holds the token, in the syntax of MCP_AUTH_TOKEN: its first token is sent. */
  readonly tokenEnv?: string;
  /** The token comes over stdin. */
  readonly tokenStdin?: true;
}

export async function doctor(url: string, options: DoctorOptions): Promise<number> {
  const bearer = await askedToken(options);
  // Checks that all fail for one reason would say less than that reason.
  await requireListening(url);
  const endpoint = new URL(url);
  if (endpoint.pathname === "/") endpoint.pathname = "/mcp";
  const clients = new Map<string, Client>();
  const connect = (name: string, mode: "legacy" | { pin: string }): Check => ({
    name: `connect, ${name}`,
    run: async () => {
      const client = new Client({ name: "stateful-mcp-doctor", version: VERSION }, { versionNegotiation: { mode } });
      const headers = bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` };
      await client.connect(new StreamableHTTPClientTransport(endpoint, { requestInit: { headers } }));
      clients.set(name, client);
      const server = client.getServerVersion();
      return `${server?.name} ${server?.version}, revision ${client.getNegotiatedProtocolVersion()}`;
    },
    fix: `See that an MCP server answers at ${endpoint}${bearer === undefined ? ", and give --token-env <variable> if it wants a token" : " and that the token is one of its own"}`,
  });
  try {
    const checks = [
      connect(PROTOCOL_REVISIONS[0], { pin: PROTOCOL_REVISIONS[0] }),
      connect(PROTOCOL_REVISIONS[1], "legacy"),
      ...toolChecks(() => [...clients.values()][0]),
    ];
    return await runChecks(checks, options);
  } finally {
    for (const client of clients.values()) await client.close().catch(() => {});
  }
}

/** One session's life: created, used, deleted. Later checks use the session of an earlier one. */
function toolChecks(connected: () => Client | undefined): Check[] {
  const fix = "Look into the server's log for this call; its /readyz says whether it reaches its state";
  let session: unknown;
  const call = async (name: string, input: Result): Promise<Result> => {
    const client = connected();
    if (client === undefined) throw new Error("there is no connection");
    const answer = await client.callTool({ name, arguments: input });
    const said = (answer.content as { text?: string }[] | undefined)?.map((part) => part.text).join(" ");
    if (answer.isError) throw new Error(said ?? "the tool answered with an error");
    return (answer.structuredContent ?? {}) as Result;
  };
  const expect = (truth: boolean, result: Result) => {
    if (!truth) throw new Error(`an unexpected answer: ${JSON.stringify(result)}`);
  };
  const check = (name: string, run: () => Promise<string>, essential?: true): Check => ({
    name,
    run,
    fix,
    ...(essential && { essential }),
  });
  const echo = async (cached?: true) => {
    const result = await call("echo_cached", { text: `doctor ${session}` });
    expect(result.text === `DOCTOR ${session}`.toUpperCase() && (!cached || result.cached === true), result);
    return result.cached === true ? "from the cache" : "computed";
  };
  return [
    check(
      "list tools",
      async () => {
        const { tools } = (await connected()?.listTools()) ?? { tools: [] };
        if (tools.length === 0) throw new Error("there are no tools");
        return tools.map((tool) => tool.name).join(" ");
      },
      true,
    ),
    check(
      "create_session",
      async () => {
        const result = await call("create_session", { ttl_seconds: 3600 });
        session = result.session_id;
        expect(typeof session === "string", result);
        return String(session);
      },
      true,
    ),
    check("add_note", async () => {
      const result = await call("add_note", { session_id: session, note: "written by the doctor" });
      expect(result.count === 1, result);
      return "1 note";
    }),
    check("get_notes", async () => {
      const result = await call("get_notes", { session_id: session });
      expect(Array.isArray(result.notes) && result.notes[0] === "written by the doctor", result);
      return "read back";
    }),
    check("store_value", async () => {
      const result = await call("store_value", { session_id: session, key: "answer", value: 42 });
      expect(result.stored === true, result);
      return `version ${result.version}`;
    }),
    check("get_value", async () => {
      const result = await call("get_value", { session_id: session, key: "answer" });
      expect(result.value === 42, result);
      return "read back";
    }),
    check("echo_cached", () => echo()),
    check("echo_cached again", () => echo(true)),
    check("delete_session", async () => {
      const result = await call("delete_session", { session_id: session });
      expect(result.deleted === true, result);
      return "gone";
    }),
  ];
}

/**
 * The token to send: only what is asked for, because the address may be of another's server. Never an argument, which every user of
 * this machine can read in the list of processes.
 */
async function askedToken({ tokenEnv, tokenStdin }: DoctorOptions): Promise<string | undefined> {
  if (tokenStdin) return firstTokenOf(await text(process.stdin));
  if (tokenEnv === undefined) return undefined;
  const configured = process.env[tokenEnv];
  if (configured) return firstTokenOf(configured);
  throw new AppError("invalid_input", `There is no variable ${tokenEnv} with a token`);
}
