// The one line that makes a process of an app. Nothing is loaded before it is needed, because desktop clients wait for the start.
import { parseArgs } from "node:util";
import { type App, AppError } from "@stateful-mcp/core";
import { endWith } from "./process/exit.ts";

// What an app is written with, so that a server of one file needs one package.
export {
  type App,
  AppError,
  type AppOptions,
  acceptedContent,
  builtinTools,
  createApp,
  definePrompt,
  defineResource,
  defineTool,
  inputRequired,
  type ToolContext,
  userMessages,
} from "@stateful-mcp/core";

const USAGE =
  "without arguments the server speaks MCP over stdin and stdout; `serve` listens for HTTP and takes --host, --port, --env-file, --create-table and --allow-anonymous; `tools` lists the tools, `call <tool> key=value` calls one, `tasks` lists the open tasks, `calls` the newest calls with --tool, --outcome, --client, --principal, --request, --slower-than, --limit and --json";

/**
 * Serves the app as this process's arguments say, and ends the process: over stdio without arguments, over HTTP with `serve`. `tools`
 * and `call <tool> key=value` try it without a server; `tasks` lists the tasks that have not ended, `calls`
 * the newest calls of all processes; `--help` says so.
 * Settings come from the environment, with `serve --env-file` from that file as well; what the app's own code has fixed stays.
 *
 * State is kept on this machine's disk when the package `@stateful-mcp/local` is installed, in a DynamoDB table with
 * `MCP_STATE_BACKEND=dynamodb`, in memory with `MCP_STATE_BACKEND=memory`.
 *
 * Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 the state table cannot be reached; the reason is a line on stderr.
 */
export function run(app: App): Promise<never> {
  return endWith(async () => {
    const [command, ...rest] = process.argv.slice(2);
    if (command === undefined) return (await import("./process/stdio.ts")).stdio(app);
    if (command === "--help" || command === "-h") {
      process.stdout.write(`Usage: ${USAGE}\n`);
      return 0;
    }
    if (command === "tools") return (await import("./process/call.ts")).listTools(app);
    if (command === "tasks") return (await import("./process/tasks.ts")).listOpenTasks(app);
    if (command === "calls") {
      const { "slower-than": slowerThan, json, ...words } = callFlags(rest);
      const more = { ...(slowerThan !== undefined && { slowerThan }), ...(json && { json }) };
      return (await import("./process/calls.ts")).listCalls(app, { ...words, ...more });
    }
    if (command === "call") {
      const [tool, ...words] = rest;
      if (tool === undefined) throw usage("call needs the name of a tool");
      return (await import("./process/call.ts")).callOnce(app, tool, words);
    }
    if (command !== "serve") throw usage(`There is no command ${JSON.stringify(command)}`);
    const {
      host,
      port,
      "env-file": envFile,
      "create-table": createTable,
      "allow-anonymous": allowAnonymous,
    } = serveFlags(rest);
    return (await import("./process/serve.ts")).serve(app, {
      ...(host !== undefined && { host }),
      ...(port !== undefined && { port }),
      ...(envFile !== undefined && { envFile }),
      ...(createTable && { createTable }),
      ...(allowAnonymous && { allowAnonymous }),
    });
  });
}

function serveFlags(args: string[]) {
  try {
    const options = {
      host: { type: "string" },
      port: { type: "string" },
      "env-file": { type: "string" },
      "create-table": { type: "boolean" },
      "allow-anonymous": { type: "boolean" },
    } as const;
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw usage(error instanceof Error ? error.message : String(error));
  }
}

function callFlags(args: string[]) {
  const text = { type: "string" } as const;
  try {
    const options = {
      ...{ tool: text, outcome: text, client: text, principal: text, request: text, limit: text },
      "slower-than": text,
      json: { type: "boolean" },
    } as const;
    return parseArgs({ args, options }).values as CallFlags;
  } catch (error) {
    throw usage(error instanceof Error ? error.message : String(error));
  }
}

type CallFlags = Partial<
  Record<"tool" | "outcome" | "client" | "principal" | "request" | "limit" | "slower-than", string>
> & {
  json?: true;
};

const usage = (what: string): AppError => new AppError("invalid_input", `${what}: ${USAGE}`);
