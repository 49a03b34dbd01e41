// `create`: a project of one's own, with one tool, its test, what a client has to be told, and a CDK app. Writes files and starts
// nothing.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join, posix, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { AppError } from "@stateful-mcp/core/runtime";
import { EXIT } from "../run.ts";
import { VERSION } from "../version.ts";

const IN_CHECKOUT = import.meta.url.endsWith(".ts");
const TEMPLATE = fileURLToPath(new URL(IN_CHECKOUT ? "../../template/" : "../template/", import.meta.url));
/** Ours, as tarballs. Those that depend on others of ours are installable only beside them, so the manifests name all they need. */
const PACKAGES = ["adapters", "cdk", "core", "local"] as const;
const MANIFESTS = ["package.json", "deploy/package.json"] as const;
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

export interface CreateOptions {
  /** A folder with the packages as tarballs, as `pnpm toolkit` writes them. Default: the packages of the registry. */
  from?: string;
}

interface Manifest {
  name: string;
  dependencies: Record<string, string>;
}

export async function create(directory: string, { from }: CreateOptions): Promise<number> {
  const target = resolve(directory);
  const name = basename(target);
  if (existsSync(target) && readdirSync(target).length > 0)
    throw new AppError("invalid_input", `${target} is not empty: choose a new folder`);
  if (!NAME.test(name))
    throw new AppError(
      "invalid_input",
      `${JSON.stringify(name)} is no name for a package: use a-z, 0-9, '-', '_', '.'`,
    );
  const tarballs = from === undefined ? undefined : findTarballs(resolve(from));
  if (!tarballs && IN_CHECKOUT)
    throw new AppError(
      "invalid_input",
      "From a clone, give the packages: run `bin/run toolkit`, then repeat with --from dist",
    );

  mkdirSync(target, { recursive: true });
  cpSync(TEMPLATE, target, { recursive: true });
  // npm leaves files of that name out of what it publishes.
  renameSync(join(target, "gitignore"), join(target, ".gitignore"));
  for (const path of Object.values(tarballs ?? {})) cpSync(path, join(target, "vendor", basename(path)));
  for (const file of MANIFESTS) {
    const manifest = JSON.parse(readFileSync(join(target, file), "utf8").replace("my-server", name)) as Manifest;
    for (const one of PACKAGES) {
      const dependency = `@stateful-mcp/${one}`;
      if (!(dependency in manifest.dependencies)) continue;
      const tarball = tarballs && posix.join(posix.relative(posix.dirname(file), "vendor"), basename(tarballs[one]));
      manifest.dependencies[dependency] = tarball === undefined ? `^${VERSION}` : `file:${tarball}`;
    }
    writeFileSync(join(target, file), `${JSON.stringify(manifest, null, 2)}\n`);
  }
  const start = commandLine(target);
  const client = JSON.stringify({ mcpServers: { [name]: start } }, null, 2);
  rewrite(join(target, "src/app.ts"), [["my-server", name]]);
  rewrite(join(target, "deploy/app.ts"), [["my-server", stackName(name)]]);
  rewrite(join(target, "README.md"), [
    ["my-server", name],
    ["{{STACK}}", stackName(name)],
    ["{{CLIENT}}", client],
    ["{{COMMAND}}", [start.command, ...start.args].join(" ")],
  ]);
  process.stdout.write(`Created ${target}. Next:

  cd ${directory}
  npm install
  npm test

Tools are in src/app.ts, and deploy/ brings them to AWS. For a desktop client's configuration:

${client}
`);
  return EXIT.done;
}

/** CloudFormation's names start with a letter and have no dots or underscores. */
const stackName = (name: string): string => name.replace(/[._]/g, "-").replace(/^(?=\d)/, "mcp-");

/** Clients start servers in a folder of theirs and may have no `node` on their path, so every path is absolute. */
function commandLine(target: string): { command: string; args: string[] } {
  // By Node.js alone: what else runs TypeScript keeps code in a folder of /tmp that any user can have made, and heeds settings of the
  // folder that it is started in.
  return { command: process.execPath, args: [join(target, "src", "server.ts")] };
}

type Tarballs = Record<(typeof PACKAGES)[number], string>;

function findTarballs(folder: string): Tarballs {
  const find = (one: keyof Tarballs): string => {
    const path = join(folder, `stateful-mcp-${one}-${VERSION}.tgz`);
    if (existsSync(path)) return path;
    throw new AppError("invalid_input", `${path} does not exist: \`bin/run toolkit\` in a clone writes it`);
  };
  return { adapters: find("adapters"), cdk: find("cdk"), core: find("core"), local: find("local") };
}

function rewrite(path: string, replacements: readonly [string, string][]): void {
  const text = replacements.reduce((text, [from, to]) => text.replaceAll(from, () => to), readFileSync(path, "utf8"));
  writeFileSync(path, text);
}
