// `export` and `import`: what a caller keeps, as lines of JSON on stdout, and from a file back into the configured backend.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream, fstatSync } from "node:fs";
import { type LoadOptions, loadConfig, openBackend } from "@stateful-mcp/adapters/process";
import {
  type App,
  AppError,
  bindApp,
  createApp,
  LOCAL_PRINCIPAL,
  silentLogger,
  tokenPrincipal,
} from "@stateful-mcp/core/runtime";
import { EXIT, printable } from "../run.ts";

/** Whose memory it is: the one local user's, or that of a token's holder. */
export interface TransferOptions extends LoadOptions {
  tokenName?: string;
}

async function withMemory<T>(
  { tokenName, ...options }: TransferOptions,
  work: (memory: ReturnType<App["memoryOf"]>) => Promise<T>,
): Promise<T> {
  const config = loadConfig(options);
  const backend = await openBackend(config);
  const { store, blobs } = backend;
  const app = bindApp(createApp(), config, { store, blobs, access: { mode: "local" }, logger: silentLogger });
  try {
    return await work(app.memoryOf(tokenName === undefined ? LOCAL_PRINCIPAL : tokenPrincipal(tokenName)));
  } finally {
    await app.close();
    await backend.close();
  }
}

export async function exportMemory(options: TransferOptions): Promise<number> {
  let notes = 0;
  let values = 0;
  await withMemory(options, async (memory) => {
    for await (const line of memory.export()) {
      if (line.kind === "note") notes += 1;
      if (line.kind === "value") values += 1;
      if (!process.stdout.write(`${printable(JSON.stringify(line))}\n`)) await once(process.stdout, "drain");
    }
  });
  say(`Exported ${notes} notes and ${values} values.`);
  tellIfOpen();
  return EXIT.done;
}

export async function importMemory(file: string, options: TransferOptions & { dryRun?: true }): Promise<number> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  const { dryRun = false, ...others } = options;
  const counts = await withMemory(others, (memory) =>
    memory.import(linesOf(file), { fileId: hash.digest("hex"), dryRun }),
  );
  const { sessions, notes, values, present, kept, expired } = counts;
  say(`${dryRun ? "Would add" : "Added"} ${sessions} sessions, ${notes} notes and ${values} values.`);
  if (present > 0) say(`${present} were there already.`);
  if (kept > 0) say(`${kept} values have another content here, and were left as they are.`);
  if (expired > 0) say(`The time of ${expired} values is over.`);
  return EXIT.done;
}

/** The shell makes the file, with modes of its own. */
function tellIfOpen(): void {
  const file = fstatSync(process.stdout.fd);
  if (process.platform !== "win32" && file.isFile() && (file.mode & 0o007) !== 0)
    say("Every user of this machine may read or change that file: take that away with `chmod o-rwx`.");
}

/** Ended by a line feed and by nothing else: readers that know more ends of lines would cut notes in which those stand. */
async function* linesOf(file: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const decoded = (chunk?: Buffer): string => {
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined });
    } catch {
      // To read it anyway would put U+FFFD in the place of what was kept.
      throw new AppError("invalid_input", `${file} is not valid UTF-8. Export again, or encode it as UTF-8.`);
    }
  };
  let rest = "";
  for await (const chunk of createReadStream(file)) {
    const lines = (rest + decoded(chunk as Buffer)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  rest += decoded();
  if (rest !== "") yield rest;
}

/** Stdout is for the export. */
const say = (line: string): void => void process.stderr.write(`${line}\n`);
