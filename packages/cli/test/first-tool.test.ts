// docs/first-tool.md, replayed: what it tells a reader to type is typed, what it tells them to write is written, and what it shows
// is what comes.
import { execFile, spawn } from "node:child_process";
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { freePort } from "@stateful-mcp/rig";
import { expect, it, onTestFinished } from "vitest";
import { run, temporaryDirectory, watch } from "./process.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const execute = promisify(execFile);

const page = readFileSync(join(ROOT, "docs/first-tool.md"), "utf8");
const blocks = [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = "", text = ""]) => ({
  language,
  text,
}));
const ofLanguage = (language: string) => blocks.filter((block) => block.language === language).map(({ text }) => text);

it("leads from an empty folder to a tool of one's own that answers in a client and can go to AWS", {
  timeout: 600_000,
}, async () => {
  const folder = temporaryDirectory();
  const project = join(folder, "my-server");
  const port = await freePort();
  const settings = { PORT: String(port), STATEFUL_MCP_DATA_DIR: join(folder, "data") };
  const PATH = `${dirname(process.execPath)}:${process.env.PATH}`;
  const environment = {
    ...withoutPnpm(process.env),
    ...settings,
    PATH,
    npm_config_prefer_offline: "true",
    npm_config_audit: "false",
  };
  const here = (text: string) =>
    text
      .replaceAll("../my-server", project)
      .replaceAll("--from dist", `--from ${folder}`)
      .replaceAll(":3333", `:${port}`)
      // Without what installs: other tests are using this clone.
      .replaceAll("bin/stateful-mcp ", `${process.execPath} ${join(ROOT, "packages/cli/src/main.ts")} `);
  let cwd = ROOT;
  const type = async (line: string): Promise<string> => {
    if (line.startsWith("cd ")) {
      cwd = resolve(cwd, line.slice(3));
      return "";
    }
    // Packed elsewhere than into the reader's clone, which other tests may be using.
    const typed = line.endsWith("toolkit") ? packing()(folder) : line;
    const { stdout, stderr } = await execute("sh", ["-c", typed], { cwd, env: environment });
    // A newcomer cannot tell which warning matters.
    if (line === "npm install") expect(stderr).not.toMatch(/npm warn/i);
    // What a reader waits for says what it does, and does not fill the screen.
    if (typed !== line) expect(stdout).toMatch(/^(Packing @stateful-mcp\/\w+, \d of 4: \S+\.tgz\n){4}$/);
    return stdout;
  };

  const [create = "", tryIt = "", start = "", ask = "", deploy = ""] = ofLanguage("sh").map(here);
  const [app = "", appTest = ""] = ofLanguage("ts");
  const [overHttp = "", inClient = ""] = ofLanguage("json");
  for (const line of create.trim().split("\n")) await type(line);
  writeFileSync(join(project, "src/app.ts"), app);
  writeFileSync(join(project, "src/app.test.ts"), appTest);
  for (const line of tryIt.trim().split("\n")) await type(line);

  const child = spawn("sh", ["-c", `exec ${start.trim()}`], { cwd: project, env: environment, detached: true });
  // npm stands between: the server is ended with the group that it is in.
  const stop = () => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, "SIGTERM");
  };
  onTestFinished(stop);
  const server = watch(child);
  await server.logged(/Listening on/);
  for (let sent = 0; sent < 2; sent++) expect(JSON.parse(await type(ask))).toEqual(JSON.parse(overHttp));
  stop();
  await server.ended;

  const { mcpServers } = JSON.parse(
    /```json\n([\s\S]*?)```/.exec(readFileSync(join(project, "README.md"), "utf8"))?.[1] ?? "",
  );
  const client = new Client({ name: "first-tool", version: "1" }, { versionNegotiation: { mode: "auto" } });
  onTestFinished(() => client.close());
  // Clients start servers in a folder of their own, which may be anybody's, and have no `node` on their path.
  const hostile = join(folder, "hostile");
  mkdirSync(hostile);
  writeFileSync(join(hostile, "tsconfig.json"), '{"compilerOptions":{"baseUrl":".","paths":{"zod":["./zod.ts"]}}}');
  writeFileSync(join(hostile, "zod.ts"), "throw new Error('code of this folder');");
  writeFileSync(join(hostile, ".env"), "MCP_STATE_BACKEND=memory\nSTATEFUL_MCP_NONSENSE=1\n");
  // As /tmp, where any user may have put code beforehand: none is looked for there.
  const tmp = join(folder, "tmp");
  mkdirSync(tmp);
  const transport = {
    ...mcpServers["my-server"],
    cwd: hostile,
    env: { ...settings, PATH: hostile, HOME: folder, TMPDIR: tmp },
    stderr: "ignore" as const,
  };
  await client.connect(new StdioClientTransport(transport));
  const { structuredContent } = await client.callTool({ name: "buy", arguments: { item: "lemons" } });
  expect(structuredContent).toEqual(JSON.parse(inClient));
  expect(readdirSync(tmp)).toEqual([]);

  for (const line of deploy.trim().split("\n")) await type(line);
  const made = join(project, "deploy", "cdk.out");
  const resources = (stack: string): { Type: string }[] =>
    Object.values(JSON.parse(readFileSync(join(made, `my-server-${stack}.template.json`), "utf8")).Resources);
  for (const [stack, type] of [
    ["state", "AWS::DynamoDB::GlobalTable"],
    ["lambda", "AWS::Lambda::Function"],
    ["fargate", "AWS::ECS::Service"],
  ] as const)
    expect(resources(stack).map(({ Type }) => Type)).toContain(type);
  const bundles = globSync("asset.*/index.mjs", { cwd: made }).map((path) => readFileSync(join(made, path), "utf8"));
  const [bundle = "", ...others] = bundles.filter((code) => code.includes("shopping list"));
  expect(others).toEqual([]);
  // The deployment has packages of its own; the function consists of the project's alone.
  expect(bundle.split("There is no such session")).toHaveLength(2);
  const images = globSync("asset.*/src/server.ts", { cwd: made }).map((path) => join(made, dirname(dirname(path))));
  expect(images.map((folder) => readdirSync(folder).sort())).toEqual([
    [".gitignore", "README.md", "deploy", "package-lock.json", "package.json", "src", "tsconfig.json", "vendor"],
  ]);
});

/** A reader's shell has none of what pnpm hands to the scripts that `bin/run` starts, and of what npm does not know it warns. */
function withoutPnpm(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const unknown = /^npm_config_(reporter|verify_deps_before_run|npm_globalconfig|_jsr_registry)$/;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !unknown.test(name)));
}

/** The script behind the page's first line, which packs into the given folder. */
function packing(): (folder: string) => string {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: { toolkit: string } };
  const words = scripts.toolkit.split(" --to dist ");
  expect(words).toEqual([expect.any(String), expect.any(String)]);
  return (folder: string) => `npx -y -p pnpm@10.34.9 ${words.join(` --to ${folder} `)}`;
}

it.each([
  ["a folder that is not empty", (folder: string) => [folder, "--from", folder], "is not empty"],
  ["a name that is none", (folder: string) => [join(folder, "My Server")], "is no name for a package"],
  ["a clone, without packages", (folder: string) => [join(folder, "a")], "--from dist"],
  ["a folder without packages", (folder: string) => [join(folder, "a"), "--from", folder], "does not exist"],
])("create refuses %s with one line, and writes nothing", async (_, args, reason) => {
  const folder = temporaryDirectory();
  writeFileSync(join(folder, "mine"), "");
  const { code, stderr } = await run(["create", ...args(folder)], { cwd: folder });
  expect(code).toBe(2);
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(stderr).toContain(reason);
  expect(readdirSync(folder)).toEqual(["mine"]);
});

it("the template asks for the versions that the workspace uses", () => {
  const versions = (path: string): Record<string, string> => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, path), "utf8"));
    return { ...dependencies, ...devDependencies };
  };
  const packages = ["package.json", "packages/core/package.json", "cdk/package.json"];
  const workspace: Record<string, string> = Object.assign({}, ...packages.map(versions));
  for (const manifest of ["package.json", "deploy/package.json"])
    for (const [name, version] of Object.entries(versions(`packages/cli/template/${manifest}`)))
      if (!name.startsWith("@stateful-mcp/")) expect([name, version]).toEqual([name, workspace[name]]);
  expect(existsSync(join(ROOT, "packages/cli/template/gitignore"))).toBe(true);
});

it("the template's stacks are made under the flags that the repository's are tested with", () => {
  const context = (path: string) => JSON.parse(readFileSync(join(ROOT, path), "utf8")).context;
  expect(context("packages/cli/template/deploy/cdk.json")).toEqual(context("cdk.json"));
});
