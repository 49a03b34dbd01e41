// What `pnpm agent` runs: options, the server, the model and the terminal are put together here, and nowhere else.
import { firstTokenOf } from "@stateful-mcp/core/tokens";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { bedrockModel } from "./bedrock.ts";
import { Conversation, DEFAULT_MAX_ROUNDS } from "./conversation.ts";
import { scriptedModel } from "./scripted.ts";
import { Server } from "./server.ts";
import { Terminal } from "./terminal.ts";
import { Transcript } from "./transcript.ts";

interface Options {
  url: URL;
  tokenEnv?: string;
  model: string;
  script?: string;
  resume?: string;
  maxRounds: number;
}

const program = new Command("agent")
  .description("Talk to a model that uses an MCP server's tools and keeps the conversation there.")
  .option("--url <url>", "the server's MCP endpoint", parseUrl, new URL("http://127.0.0.1:3333/mcp"))
  .option("--token-env <name>", "variable that holds the bearer token for it; none is sent unasked")
  .requiredOption(
    "--model <model>",
    "a model id or inference profile of Amazon Bedrock (default: BEDROCK_MODEL_ID), or scripted: no account needed",
    process.env.BEDROCK_MODEL_ID,
  )
  .option("--script <file>", "what the scripted model says: a JSON array of {text, calls: [{name, input}]}")
  .option("--resume <session_id>", "continue the conversation kept in this session")
  .option("--max-rounds <n>", "rounds of tool calls in one turn", parseRounds, DEFAULT_MAX_ROUNDS)
  .addHelpText(
    "after",
    `
A tool may have a question of its own, such as whether to delete what it was told to. It is put to you: yes and its fields,
no, or cancel. Without a terminal the answer is no.`,
  )
  .showHelpAfterError("Without an account: --model scripted. --help says more.")
  .exitOverride();

try {
  program.parse();
  process.exitCode = await converse(program.opts<Options>());
} catch (error) {
  // Commander has printed help or its complaint already.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    process.stderr.write(`agent: ${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}
// An HTTP connection that is kept alive must not keep the program alive.
process.exit();

async function converse({ url, tokenEnv, model: id, script, resume, maxRounds }: Options): Promise<number> {
  const model = id === "scripted" ? scriptedModel(script) : bedrockModel(id);
  const terminal = new Terminal();
  const server = await Server.connect(url, {
    token: tokenFrom(tokenEnv),
    ask: (question) => terminal.ask(question),
  }).catch((error: unknown) => {
    const hint = "start it with `npm start`, or give --url, and --token-env if it wants a token";
    throw new Error(`No MCP server answers at ${url} (${messageOf(error)}); ${hint}`, { cause: error });
  });
  const transcript = resume === undefined ? await Transcript.create(server) : await Transcript.resume(server, resume);
  const conversation = new Conversation({ server, model, transcript, maxRounds });
  terminal.say(`${model.name} with ${server.tools.length} tools of ${url}`);
  terminal.say(`Continue later with --resume ${transcript.id}`);
  let failures = 0;
  const turn = (run: (signal: AbortSignal) => Promise<void>) =>
    terminal.turn(run).catch((error: unknown) => {
      failures++;
      terminal.say(messageOf(error), "red");
    });
  if (resume !== undefined) terminal.say(`${transcript.messages.length} messages so far.`);
  if (conversation.unfinished) {
    terminal.say("The last turn was cut off; here is the rest of it.");
    await turn((signal) => conversation.proceed(terminal, signal));
  }
  for await (const text of terminal.inputs()) {
    await turn((signal) => conversation.ask(text, terminal, signal));
  }
  terminal.close();
  await server.close();
  return failures === 0 ? 0 : 1;
}

function parseUrl(text: string): URL {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new InvalidArgumentError("Give an http:// or https:// URL, such as http://127.0.0.1:3333/mcp.");
  }
  return new URL(text);
}

function parseRounds(text: string): number {
  const rounds = Number(text);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) {
    throw new InvalidArgumentError("Give a whole number from 1 to 100.");
  }
  return rounds;
}

/** The token to send: only what is asked for. On this machine too, any user may listen where the server usually does. */
function tokenFrom(variable: string | undefined): string | undefined {
  if (variable === undefined) return undefined;
  const configured = process.env[variable];
  if (!configured) throw new Error(`There is no variable ${variable} with a token`);
  return firstTokenOf(configured);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
