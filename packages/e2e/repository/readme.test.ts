// The README and the pages it leads to against the product: their tables say what the code does, their paths exist, their requests
// are sent to a real server, the README's example runs, and every page is reached from the README.
import { execFile } from "node:child_process";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import {
  type App,
  builtinPrompts,
  builtinResources,
  builtinTools,
  DEFAULT_IDEMPOTENCY_TTL_SECONDS,
  DEFAULT_SESSION_MAX_SECONDS,
  DEFAULT_SESSION_TTL_SECONDS,
  describeConfig,
  ERROR_CODES,
  LOCAL_PRINCIPAL,
  type Tool,
} from "@stateful-mcp/core";
import { createDynamoDBClient, DynamoDBItems } from "@stateful-mcp/core/dynamodb";
import { freePort, ServerProcess, startDynalite } from "@stateful-mcp/rig";
import { describe, expect, onTestFinished, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const CLI = join(ROOT, "packages/cli");
const README_MAX_BYTES = 9_000;

interface Block {
  readonly language: string;
  readonly text: string;
}

interface Page {
  readonly path: string;
  readonly text: string;
  readonly prose: string;
  readonly blocks: readonly Block[];
  /** Paths from the root that it links to, without what is after `#`. */
  readonly links: readonly string[];
  /** What its headings are called in links. */
  readonly anchors: readonly string[];
}

function readPage(path: string): Page {
  const text = readFileSync(join(ROOT, path), "utf8");
  const prose = text.replace(/^```[\s\S]*?^```$/gm, "");
  const blocks = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = "", block = ""]) => ({
    language,
    text: block,
  }));
  const links = linksOf(prose).map(([link]) => posix.join(dirname(path), link));
  const anchors = [...prose.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
  return { path, text, prose, blocks, links, anchors };
}

/** Targets of relative links: the path, which is empty within a page, and the heading, which may be missing. */
const linksOf = (prose: string): [string, string | undefined][] =>
  [...prose.matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)]+))?\)/g)].map(([, link = "", anchor]) => [link, anchor]);

const PAGES = [
  "README.md",
  ...globSync(["*.md", "docs/**/*.md", "{packages/*,cdk,examples}/README.md"], { cwd: ROOT })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path !== "README.md")
    .sort(),
].map(readPage);

function page(path: string): Page {
  const found = PAGES.find((one) => one.path === path);
  if (found === undefined) throw new Error(`There is no page ${path}`);
  return found;
}

const README = page("README.md");

test("the README is short", () => {
  expect(statSync(join(ROOT, "README.md")).size).toBeLessThanOrEqual(README_MAX_BYTES);
});

/** The lines between `<!-- name -->` and `<!-- /name -->`. */
function section(path: string, name: string): string[] {
  const [, shown] = page(path).text.split(new RegExp(`<!-- /?${name} -->`));
  return (shown ?? "").trim().split("\n");
}

describe("the tables say what the code does", () => {
  test("settings", () => {
    expect(section("docs/reference/settings.md", "configuration")).toEqual([
      "| variable | default | allowed | meaning |",
      "|---|---|---|---|",
      ...describeConfig().map((row) => `| ${row.variable} | ${row.default} | ${row.allowed} | ${row.description} |`),
    ]);
  });

  test("errors, both ways", () => {
    expect(section("docs/reference/errors.md", "errors").slice(2)).toEqual(
      Object.entries(ERROR_CODES).map(
        ([code, { status, retryable, title }]) =>
          `| \`${code}\` | ${status} | ${retryable ? "yes" : "no"} | ${title} |`,
      ),
    );
  });

  test("tools, with their arguments and results, in the order of the server", () => {
    const shown = ["tools", "item-tools"]
      .flatMap((name) => section("docs/reference/tools.md", name).slice(2))
      .map((row) =>
        row
          .split("|")
          .slice(1, 4)
          .map((cell) => cell.trim()),
      );
    // Only described: nothing is asked of the table.
    const store = new DynamoDBItems({ client: createDynamoDBClient({ endpoint: "http://127.0.0.1:1" }) });
    const items = { store, tables: [{ name: "orders", mode: "read-write" as const }] };
    const memoryView = async () => "";
    const tools = builtinTools({ backend: "local", anonymous: false, ttlSeconds: 0, items, memoryView });
    expect(shown).toEqual(tools.map((tool) => [`\`${tool.name}\``, argumentsOf(tool), resultOf(tool)]));
  });

  test("commands, both ways", () => {
    const program = readFileSync(join(CLI, "src/program.ts"), "utf8");
    const known = [...program.matchAll(/\.command\("([\w-]+)"/g)].map(([, name]) => name);
    const rows = page("docs/reference/commands.md").text.match(/^\| `.*$/gm) ?? [];
    const shown = rows.flatMap((row) =>
      [...(row.split("|")[1] ?? "").matchAll(/`stateful-mcp ([\w-]+)/g)].map(([, name]) => name),
    );
    expect(known.length).toBeGreaterThan(10);
    expect([...new Set(shown)].sort()).toEqual(known.sort());
  });

  test("prompts and resources", () => {
    const cells = (name: string, count: number) =>
      section("docs/connect.md", name)
        .slice(2)
        .map((row) =>
          row
            .split("|")
            .slice(1, count + 1)
            .map((cell) => cell.trim()),
        );
    expect(cells("prompts", 2)).toEqual(builtinPrompts().map(({ name, description }) => [`\`${name}\``, description]));
    const store = new DynamoDBItems({ client: createDynamoDBClient({ endpoint: "http://127.0.0.1:1" }) });
    const items = { store, tables: [{ name: "{name}", mode: "read-only" as const }] };
    const resources = builtinResources({ anonymous: false, items });
    expect(cells("resources", 1)).toEqual(resources.map(({ uri }) => [`\`${uri}\``]));
  });

  test("lifetimes in the prose", () => {
    expect(DEFAULT_IDEMPOTENCY_TTL_SECONDS).toBe(24 * 3600);
    expect(DEFAULT_SESSION_TTL_SECONDS).toBe(24 * 3600);
    expect(DEFAULT_SESSION_MAX_SECONDS).toBe(90 * 24 * 3600);
    for (const words of ["for 24 hours, on any server", "ends 24 hours after its last use", "after 90 days"]) {
      expect(page("docs/what-happens-when.md").prose).toContain(words);
    }
  });

  test("the README names every tool", () => {
    const names = ["tools", "item-tools"].flatMap((name) =>
      section("docs/reference/tools.md", name)
        .slice(2)
        .map((row) => row.split("|")[1]?.trim() ?? ""),
    );
    expect(names.length).toBeGreaterThan(20);
    expect(names.filter((name) => !README.prose.includes(name))).toEqual([]);
  });
});

interface ObjectSchema {
  properties: Record<string, unknown>;
  required?: string[];
}

const fields = (schema: Record<string, unknown>, hidden: readonly string[]): string => {
  const { properties, required = [] } = schema as unknown as ObjectSchema;
  return Object.keys(properties)
    .filter((name) => !hidden.includes(name))
    .map((name) => (required.includes(name) ? `\`${name}\`` : `\`${name}?\``))
    .join(", ");
};

const argumentsOf = (tool: Tool): string =>
  fields(tool.inputSchema, ["idempotency_key", ...(tool.session === "required" ? [] : ["session_id"])]);

const resultOf = (tool: Tool): string =>
  fields(tool.outputSchema ?? { properties: {} }, tool.session === "none" ? [] : ["session_id"]);

test("every path that the code map names exists", () => {
  const [map = ""] = page("docs/architecture.md")
    .blocks.map(({ text }) => text)
    .filter((text) => /^packages\//m.test(text) && !text.startsWith("flowchart"));
  // Indented lines are in the folder of the line above that is not.
  let folder = "";
  const paths = [...map.matchAll(/^( *)(\S+)/gm)].map(([, indent, path = ""]) => {
    if (indent === "") folder = path;
    return indent === "" ? path : posix.join(folder, path);
  });
  expect(paths.length).toBeGreaterThan(20);
  expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

describe.each(PAGES)("$path", ({ path, prose, blocks, links, anchors }) => {
  test("every path it names exists", () => {
    const quoted = [...prose.matchAll(/`((?:packages|docs|examples|bin|cdk|\.ci)\/[^`\s<*]*)`/g)].map(
      ([, found = ""]) => found,
    );
    const built = (found: string) => /\/dist(\/|$)/.test(found);
    expect([...quoted, ...links].filter((found) => !built(found) && !existsSync(join(ROOT, found)))).toEqual([]);
  });

  test("every heading it links to exists", () => {
    const missing = linksOf(prose).filter(([link, anchor]) => {
      if (anchor === undefined || !/^$|\.md$/.test(link)) return false;
      const there = link === "" ? anchors : page(posix.join(dirname(path), link)).anchors;
      return !there.includes(anchor);
    });
    expect(missing).toEqual([]);
  });

  test("every script it names is one of the workspace", () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: object };
    const named = [prose, ...blocks.map(({ text }) => text)].flatMap((text) =>
      [...text.matchAll(/(?<!\.\.\/)bin\/run ([a-z][a-z:-]*)/g)].map(([, script = ""]) => script),
    );
    const started = blocks
      .filter(({ language }) => language === "sh")
      .flatMap(({ text }) => [...text.matchAll(/^(?:\w+=\S+ )*npm (start|test)\b/gm)].map(([, script = ""]) => script));
    if (path === "README.md") expect(started).toEqual(["start", "test"]);
    named.push(...started);
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
  });
});

test("every page is reached from the README", () => {
  const reached = new Set(["README.md"]);
  for (const path of reached)
    for (const link of PAGES.find((one) => one.path === path)?.links ?? [])
      reached.add(existsSync(join(ROOT, link, "README.md")) ? posix.join(link, "README.md") : link);
  expect(PAGES.map(({ path }) => path).filter((path) => !reached.has(path))).toEqual([]);
});

test("its client configurations start the clone's command line, which needs no build, or the packed program", () => {
  const manifest = JSON.parse(readFileSync(join(CLI, "package.json"), "utf8")) as {
    bin: Record<string, string>;
    version: string;
  };
  const configurations = page("docs/connect.md")
    .blocks.filter(({ language, text }) => language === "json" && /"(mcpServers|servers)"/.test(text))
    .map(({ text }) => JSON.parse(text) as Record<string, { memory: { command: string; args: string[] } }>)
    .map(({ mcpServers, servers }) => (mcpServers ?? servers)?.memory);
  const script = "bin/stateful-mcp";
  expect(existsSync(join(ROOT, script))).toBe(true);
  const main = `/path/to/stateful-mcp/${script}`;
  const tarball = `file:/path/to/stateful-mcp-${manifest.version}.tgz`;
  expect(configurations).toMatchObject([
    { command: "node", args: [main] },
    { command: "node", args: [main] },
    { command: "npx", args: ["-y", tarball] },
  ]);
  // What `install` enters after a build.
  expect(page("docs/connect.md").prose).toContain(`\`packages/cli/${manifest.bin["stateful-mcp"]}\``);
});

test("its badges install the endpoint that the server starts with", () => {
  const links = [
    ...page("docs/connect.md").text.matchAll(/\]\((https:\/\/(?:cursor\.com|insiders\.vscode\.dev)\/\S+)\)/g),
  ].map(([, link = ""]) => {
    const { host, searchParams } = new URL(link);
    const config = searchParams.get("config") ?? "";
    return {
      host,
      name: searchParams.get("name"),
      config: JSON.parse(host === "cursor.com" ? atob(config) : config),
    };
  });
  const url = "http://127.0.0.1:3333/mcp";
  expect(links).toEqual([
    { host: "cursor.com", name: "memory", config: { url } },
    { host: "insiders.vscode.dev", name: "memory", config: { type: "http", url } },
  ]);
});

test.each([
  ["README.md", 3],
  ["docs/reference/http.md", 8],
  ["docs/items.md", 7],
] as const)("the requests of %s get the answers it shows", async (path, requests) => {
  const address = await startServer();
  const run = promisify(execFile);
  let answered = 0;
  const { blocks } = page(path);
  for (const [index, { language, text }] of blocks.entries()) {
    if (language !== "sh" || !text.startsWith("curl ")) continue;
    const { stdout } = await run("sh", ["-c", text.replaceAll("http://127.0.0.1:3333", address)]);
    const shown = blocks[index + 1];
    expect(shown?.language).toBe("json");
    expect([text, stable(stdout)]).toEqual([text, stable(shown?.text ?? "")]);
    answered++;
  }
  expect(answered).toBe(requests);
});

/** Parsed, with ids and times that differ from run to run replaced. */
const stable = (json: string): unknown =>
  JSON.parse(
    json
      .replace(/note_[\w-]{16}_/g, "note_…_")
      .replace(/ses_\w{26}/g, "ses_…")
      .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<uuid>")
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>"),
  );

async function startServer(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "readme-"));
  const port = await freePort();
  const address = `http://127.0.0.1:${port}`;
  const engine = await startDynalite();
  const env = {
    MCP_STATE_BACKEND: "memory",
    MCP_AUTH_TOKEN: undefined,
    DYNAMODB_ENDPOINT_URL: `http://127.0.0.1:${engine.port}`,
    AWS_REGION: "local",
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
    DYNAMODB_TABLE_NAME: "demo_orders",
    STATEFUL_MCP_ITEM_MODES: "demo_orders:rw",
  };
  const main = ["--import", import.meta.resolve("tsx"), join(CLI, "src/main.ts")];
  const options = { cwd: directory, env: { ...process.env, ...env } };
  await promisify(execFile)(process.execPath, [...main, "demo-table"], options);
  const server = await ServerProcess.start({
    command: process.execPath,
    args: [...main, "serve", "--port", String(port)],
    cwd: directory,
    env,
    ready: new URL(`${address}/readyz`),
  });
  onTestFinished(async () => {
    await server.kill();
    await engine.stop();
    await rm(directory, { recursive: true, force: true });
  });
  return address;
}

test("its example of a tool runs", async () => {
  const [example] = README.blocks.filter(({ language }) => language === "ts");
  // Beside this file, because that is where its imports are found.
  const file = fileURLToPath(new URL("./readme-example.tmp.ts", import.meta.url));
  onTestFinished(() => rm(file, { force: true }));
  await writeFile(file, example?.text ?? "");
  const { app } = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as { app: App };
  const count = async (idempotency_key: string) => {
    const call = { name: "increment_counter", arguments: { idempotency_key }, principal: LOCAL_PRINCIPAL };
    return (await app.call(call)).structured;
  };
  expect(await count("a")).toEqual({ session_id: "my-counter", counter: 1 });
  expect(await count("b")).toEqual({ session_id: "my-counter", counter: 2 });
  expect(await count("b")).toEqual({ session_id: "my-counter", counter: 2 });
});
