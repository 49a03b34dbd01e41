// The command line: names, options, help. Each command's code is loaded only when it runs.
import type { CallWords } from "@stateful-mcp/adapters/process";
import { Command, CommanderError } from "commander";
import { EXIT } from "./run.ts";
import { COMMAND, VERSION } from "./version.ts";

const AFTER_HELP = `
Without a command it serves MCP over stdin and stdout, which is what desktop clients start.

Configuration comes from the environment and, with --env-file, from a file; the environment wins. No file is read unasked.
State is kept on this machine unless MCP_STATE_BACKEND=dynamodb.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 the state table cannot be reached.`;

const ENV_FILE = ["--env-file <file>", "take settings from this file as well; the environment wins over it"] as const;
interface EnvFile {
  envFile?: string;
}

/** Runs the command that the arguments name. Resolves with its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  if (argv.length === 2) return (await import("./commands/stdio.ts")).stdio();
  let code: number = EXIT.done;
  const program = new Command("stateful-mcp")
    .description("Durable memory for MCP: sessions, notes, values and cached results that survive restarts.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .addHelpText("after", AFTER_HELP)
    .exitOverride();

  program
    .command("serve")
    .description("serve MCP over HTTP, by default on http://127.0.0.1:3333/mcp")
    .option("--host <host>", "address to listen on (HOST); beyond this machine needs MCP_AUTH_TOKEN")
    .option("--port <port>", "port to listen on (PORT); 0 takes a free one")
    .option(...ENV_FILE)
    .option("--create-table", "create the state table first if it is missing")
    .option(
      "--allow-anonymous",
      "serve without tokens: callers then need unguessable session handles and can list nothing",
    )
    .action(async (options) => {
      code = await (await import("./commands/serve.ts")).serve(options);
    });

  program
    .command("console")
    .description(
      "show in a browser what is stored, on this machine alone and without a running server; prints the address",
    )
    .option("--port <port>", "port to listen on (default: a free one)")
    .option("--token-name <name>", "what the holder of this token has stored (default: this machine's user)")
    .option(...ENV_FILE)
    .action(async (options: EnvFile & { port?: string; tokenName?: string }) => {
      code = await (await import("./commands/console.ts")).openConsole(options);
    });

  program
    .command("setup")
    .description("create the state table with its TTL; does nothing where it already stands")
    .option(...ENV_FILE)
    .action(async (options: EnvFile) => {
      code = await (await import("./commands/setup.ts")).setup(options);
    });

  program
    .command("demo-table")
    .description("create and fill a small table to try the item tools on")
    .argument("[name]", "its name", "demo_orders")
    .option(...ENV_FILE)
    .action(async (name: string, options: EnvFile) => {
      code = await (await import("./commands/demo-table.ts")).demoTable(name, options);
    });

  program
    .command("teardown")
    .description("delete the state table and everything in it, after CONFIRM_DELETE=yes or typing its name")
    .option(...ENV_FILE)
    .action(async (options: EnvFile) => {
      code = await (await import("./commands/teardown.ts")).teardown(options);
    });

  program
    .command("doctor")
    .description("check this machine and its configuration, or a running server, and say how to fix what is wrong")
    .argument("[url]", "a server's MCP endpoint, for example http://127.0.0.1:3333/mcp")
    .option(...ENV_FILE)
    .option("--token-env <name>", "variable that holds the bearer token for that server; none is sent unasked")
    .option("--token-stdin", "read that token from stdin")
    .option("--json", "print one JSON document, for programs")
    .action(
      async (url: string | undefined, options: EnvFile & { tokenEnv?: string; tokenStdin?: true; json?: true }) => {
        code =
          url === undefined
            ? await (await import("./commands/doctor.ts")).doctor(options)
            : await (await import("./commands/doctor-url.ts")).doctor(url, options);
      },
    );

  program
    .command("tools")
    .description("list the tools with their arguments")
    .option(...ENV_FILE)
    .action(async (options: EnvFile) => {
      code = await (await import("./commands/call.ts")).tools(options);
    });

  program
    .command("call")
    .description("call a tool as this machine's user and print its answer; no server needs to run")
    .argument("<tool>", "its name")
    .argument("[arguments...]", "as key=value, or key:=JSON")
    .option(...ENV_FILE)
    .action(async (tool: string, words: string[], options: EnvFile) => {
      code = await (await import("./commands/call.ts")).call(tool, words, options);
    });

  program
    .command("tasks")
    .description("list the tasks of all callers that have not ended: tool, state, age, attempts, owner")
    .option(...ENV_FILE)
    .action(async (options: EnvFile) => {
      code = await (await import("./commands/tasks.ts")).tasks(options);
    });

  program
    .command("calls")
    .description(
      "list the newest calls of all processes, where they keep a journal: time, tool, outcome, who, how long",
    )
    .option("--tool <name>", "only calls of this tool")
    .option("--outcome <outcome>", "only those that ended so: ok, replayed, failed, or the code of an error")
    .option("--client <text>", "only those of clients whose name has this text")
    .option("--principal <name>", "only those of this caller, by name or id")
    .option("--request <id>", "only the one with this request id, or its beginning")
    .option("--slower-than <ms>", "only those that took as long, in milliseconds")
    .option("--limit <number>", "at most so many, 1 to 500 (default: 50)")
    .option("--json", "print one JSON object a line, for programs")
    .option(...ENV_FILE)
    .action(async (words: CallWords) => {
      code = await (await import("./commands/calls.ts")).calls(words);
    });

  program
    .command("inspect")
    .description("open the MCP Inspector on a running server; npx fetches it at its first use")
    .argument("[url]", "the server's MCP endpoint", "http://127.0.0.1:3333/mcp")
    .action(async (url: string) => {
      code = await (await import("./commands/inspect.ts")).inspect(url);
    });

  program
    .command("export")
    .description("print everything that is remembered, as lines of JSON: a backup, or to take it elsewhere")
    .option("--token-name <name>", "of the holder of this token (default: of this machine's user)")
    .option(...ENV_FILE)
    .action(async (options: EnvFile & { tokenName?: string }) => {
      code = await (await import("./commands/transfer.ts")).exportMemory(options);
    });

  program
    .command("import")
    .description("put an export back; the same file adds nothing a second time, and nothing is overwritten")
    .argument("<file>", "what export printed")
    .option("--token-name <name>", "to the holder of this token (default: to this machine's user)")
    .option("--dry-run", "only say what would be added")
    .option(...ENV_FILE)
    .action(async (file: string, options: EnvFile & { tokenName?: string; dryRun?: true }) => {
      code = await (await import("./commands/transfer.ts")).importMemory(file, options);
    });

  program
    .command("create")
    .description("start a project of your own: one tool, its test, and what a client has to be told")
    .argument("<directory>", "where; its last part is the project's name")
    .option("--from <folder>", "take the packages from the tarballs there instead of the registry")
    .action(async (directory: string, options: { from?: string }) => {
      code = await (await import("./commands/create.ts")).create(directory, options);
    });

  program
    .command("install")
    .description("enter this server into a client's configuration, after showing the difference and asking")
    .argument("<client>", "claude (Desktop), claude-code, cursor, vscode, cline, gemini or goose")
    .option("--path <file>", "the configuration file (default: the client's own for this user)")
    .option("--tarball <file>", "let the client run this packed file (default: this very program)")
    .option("--dry-run", "only show the difference")
    .option("--undo", "put back what was there before")
    .option("--yes", "write without asking")
    .showHelpAfterError()
    .action(async (client: string, options: object) => {
      code = await (await import("./commands/install.ts")).install(client, options);
    });

  program
    .command("token")
    .description("mint a bearer token for MCP_AUTH_TOKEN and print it")
    .argument("[name]", "whose token it is; each name is a principal of its own")
    .action(async (name: string | undefined) => {
      code = await (await import("./commands/token.ts")).token(name);
    });

  program
    .command("iam-policy")
    .description("print the least IAM policy for serving with this configuration on DynamoDB")
    .option(
      "--table-arn <arn>",
      "the table's ARN (default: made of AWS_REGION and MCP_STATE_TABLE, without the account)",
    )
    .option(...ENV_FILE)
    .option("--setup", "add what setup, doctor and teardown need")
    .action(async (options: EnvFile & { tableArn?: string; setup?: true }) => {
      code = await (await import("./commands/iam-policy.ts")).printIamPolicy(options);
    });

  const names = program.commands.map((command) => command.name()).join(", ");
  program.showHelpAfterError(`The commands are ${names}; --help says what each does.`);
  // `install` shows its help itself, which lists the clients.
  for (const command of program.commands.filter((one) => one.name() !== "install"))
    command.showHelpAfterError(`What it takes: ${COMMAND} ${command.name()} --help`);
  try {
    await program.parseAsync(argv);
  } catch (error) {
    // Commander has printed help, version or its complaint already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    throw error;
  }
  return code;
}
