// `doctor <url>`: tries the core tools on a running server through the official client, as a user's client would.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { loadConfig } from "@stateful-mcp/adapters/process";
import { AppError, PROTOCOL_REVISIONS } from "@stateful-mcp/core";
import { type Check, runChecks } from "../checklist.ts";
import { VERSION } from "../version.ts";

type Result = Record<string, unknown>;

export async function doctor({ url, token }: { url: string; token?: string }): Promise<number> {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new AppError(
      "invalid_input",
      `${JSON.stringify(url)} is not a URL; give the MCP endpoint, for example http://127.0.0.1:3333/mcp`,
    );
  }
  const bearer = token ?? firstToken(loadConfig().authToken);
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
    fix: `See that an MCP server answers at ${endpoint}${bearer === undefined ? ", and give --token if it wants one" : " and that the token is one of its own"}`,
  });
  try {
    return await runChecks([
      connect(PROTOCOL_REVISIONS[0], { pin: PROTOCOL_REVISIONS[0] }),
      connect(PROTOCOL_REVISIONS[1], "legacy"),
      ...toolChecks(() => [...clients.values()][0]),
    ]);
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
    const text = (answer.content as { text?: string }[] | undefined)?.map((part) => part.text).join(" ");
    if (answer.isError) throw new Error(text ?? "the tool answered with an error");
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

/** The first token of MCP_AUTH_TOKEN, without its name. */
const firstToken = (configured: string | undefined): string | undefined =>
  configured
    ?.split(",")[0]
    ?.trim()
    .replace(/^[A-Za-z0-9_-]+=(?=.{32})/, "");
