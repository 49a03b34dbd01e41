// What a person reads when a server starts: a few lines on a terminal, one log line elsewhere.
import { styleText } from "node:util";
import { type App, type Logger, PROTOCOL_REVISIONS, VERSION } from "@stateful-mcp/core/runtime";

/** What there is to say about a server that has started. */
export interface Started {
  /** `listening` or `stdio`, with what belongs to it. */
  readonly at: { readonly url: string } | "stdio";
  readonly location: string;
  /** The file that settings were taken from, besides the environment. */
  readonly settings?: string | undefined;
  /** Who may call, for a person. */
  readonly access: string;
  /** Where a person looks at what is stored. */
  readonly console?: string | undefined;
  readonly connect: readonly string[];
}

/** Says on stderr that the server has started. */
export function announce(app: Pick<App, "tools" | "options">, started: Started, logger: Logger): void {
  const { name = "stateful-mcp", version = VERSION } = app.options;
  const tools = app.tools.map((tool) => tool.name);
  const url = started.at === "stdio" ? undefined : started.at.url;
  if (!process.stderr.isTTY) {
    const { location, settings, access, console } = started;
    logger.info(
      {
        version,
        protocol_revisions: PROTOCOL_REVISIONS,
        transport: url ? "http" : "stdio",
        url,
        state: location,
        settings,
        access,
        console,
        tools,
      },
      url ? `Listening on ${url}` : "Serving on stdin and stdout",
    );
    return;
  }
  const title = `${strong(`${name} ${version}`)}, MCP ${PROTOCOL_REVISIONS.join(" and ")}`;
  process.stderr.write(`${title}\n${bannerRows(tools, started).join("\n")}\n\n`);
}

/** The lines below the title. Those that say how to connect hold commands to copy, so they stay whole on a narrow terminal, too. */
export function bannerRows(tools: readonly string[], started: Started, columns?: number): string[] {
  const { at, location, settings, access, console, connect } = started;
  const row = (name: string, text: string) => `  ${dim(name.padEnd(9))} ${text}`;
  const given = [
    ["endpoint", at === "stdio" ? "stdin and stdout" : at.url],
    ["state", location],
    ["settings", settings],
    ["access", access],
    ["console", console],
    ["tools", tools.join(" ")],
  ] as const;
  return [
    ...given.flatMap(([name, text]) => (text === undefined ? [] : [row(name, wrapped(text, columns))])),
    ...connect.map((line, index) => row(index === 0 ? "connect" : "", line)),
  ];
}

const INDENT = 12;

/** At words, so that a narrow terminal breaks no name in the middle. */
export function wrapped(text: string, columns = process.stderr.columns || 80): string {
  const width = Math.max(columns - INDENT, 20);
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines.join(`\n${" ".repeat(INDENT)}`);
}

const coloured = () => process.stderr.isTTY && !process.env.NO_COLOR;
const strong = (text: string) => (coloured() ? styleText("bold", text) : text);
const dim = (text: string) => (coloured() ? styleText("dim", text) : text);
