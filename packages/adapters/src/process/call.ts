// Tools at a terminal: lists what an app has and calls one, in this process and on the configured backend. No server needs to run.
import { type App, AppError, type Config, LOCAL_PRINCIPAL, type Tool } from "@stateful-mcp/core/runtime";
import { compose } from "./compose.ts";
import { type LoadOptions, loadConfig, openLogger } from "./environment.ts";
import { EXIT } from "./exit.ts";
import { printable } from "./printable.ts";

/** Prints each tool with its arguments and what it is for. Resolves with the exit code. */
export async function listTools(app: App, options: LoadOptions = {}): Promise<number> {
  return withApp(app, options, async ({ tools }) => {
    for (const tool of tools) say(`${tool.name}(${argumentsOf(tool)})\n  ${tool.description}`);
    return EXIT.done;
  });
}

/** Calls one tool for the local user and prints its answer. Resolves with the exit code. @throws AppError what the tool throws. */
export async function callOnce(
  app: App,
  name: string,
  words: readonly string[],
  options: LoadOptions = {},
): Promise<number> {
  return withApp(app, options, async (running) => {
    const tool = running.tools.find((one) => one.name === name);
    const given = argumentsFrom(words, tool?.inputSchema);
    const { structured } = await running.call({ name, arguments: given, principal: LOCAL_PRINCIPAL });
    say(readable(structured));
    return structured.isError === true ? EXIT.failed : EXIT.done;
  });
}

/** Binds the app to the configured backend for as long as the work takes. */
export async function withApp(
  app: App,
  options: LoadOptions,
  work: (running: App) => Promise<number>,
): Promise<number> {
  const config = loadConfig(options);
  const logger = await openLogger(quieter(config), app.options.name);
  const { app: running, close } = await compose(app, config, { access: { mode: "local" }, logger });
  try {
    return await work(running);
  } finally {
    await close();
  }
}

/** The answer is what a person looks for: one line for each call would stand around it. */
const quieter = (config: Config): Config => (config.logLevel === "info" ? { ...config, logLevel: "warn" } : config);

const propertiesOf = (schema: Record<string, unknown> | undefined) =>
  (schema?.properties ?? {}) as Record<string, { type?: unknown }>;

function argumentsOf({ inputSchema }: Tool): string {
  const { required = [] } = inputSchema as { required?: string[] };
  return Object.keys(propertiesOf(inputSchema))
    .map((name) => (required.includes(name) ? name : `${name}?`))
    .join(", ");
}

/**
 * `key=value` words as arguments. A text stays one where the tool asks for a text; elsewhere a value that reads as JSON is JSON.
 * `key:=value` is JSON in any case.
 * @throws AppError `invalid_input` for a word that is neither.
 */
export function argumentsFrom(
  words: readonly string[],
  schema: Record<string, unknown> | undefined,
): Record<string, unknown> {
  const properties = propertiesOf(schema);
  return Object.fromEntries(
    words.map((word) => {
      const [, key = "", colon, value = ""] = /^([^=:]+)(:?)=([\s\S]*)$/.exec(word) ?? [];
      if (key === "") throw wrongWord(word, "is not of the form key=value");
      const known = Object.hasOwn(properties, key) ? properties[key] : undefined;
      if (!colon && known?.type === "string") return [key, value];
      try {
        return [key, JSON.parse(value)];
      } catch {
        if (colon) throw wrongWord(word, "does not hold JSON after :=");
        return [key, value];
      }
    }),
  );
}

const wrongWord = (word: string, why: string): AppError =>
  new AppError("invalid_input", `The argument ${JSON.stringify(word)} ${why}`);

function readable(answer: Record<string, unknown>): string {
  const { content } = answer;
  const texts = Array.isArray(content) ? content.map((block: { text?: unknown }) => block.text) : [];
  const isText = texts.length > 0 && texts.every((text) => typeof text === "string");
  // A program that reads a text gets it as it is; JSON is the same for both.
  if (isText) return process.stdout.isTTY ? printable(texts.join("\n")) : texts.join("\n");
  return printable(JSON.stringify(answer, null, 2));
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);
