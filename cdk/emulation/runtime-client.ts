// Where AWS's own runtime interface client is found or built. It has a native part, so it lives in a folder of its own and no
// other test and no installation needs its tools.
import { execFile } from "node:child_process";
import { access, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const VERSION = "4.0.2";
const FOLDER = fileURLToPath(new URL(`../node_modules/.cache/aws-lambda-ric-${VERSION}`, import.meta.url));
const TOOLS = ["autoconf", "automake", "libtoolize", "cmake", "make", "g++"];
const run = promisify(execFile);

/** The file to start, or why there is none. The first time it takes some minutes. */
export async function findRuntimeClient(): Promise<{ file: string } | { missing: string }> {
  const file = join(FOLDER, "node_modules/aws-lambda-ric/index.mjs");
  const native = join(dirname(file), "rapid-client.node");
  if (await exists(native)) return { file };
  if (process.platform !== "linux") return { missing: `it has no native part for ${process.platform}` };
  const absent: string[] = [];
  for (const tool of TOOLS) await run("which", [tool]).catch(() => absent.push(tool));
  if (absent.length > 0) return { missing: `to build it, install ${absent.join(", ")}` };
  try {
    await rm(FOLDER, { recursive: true, force: true });
    await mkdir(FOLDER, { recursive: true });
    await writeFile(join(FOLDER, "package.json"), '{"private":true}');
    const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
    await run("npm", ["install", "--no-audit", "--no-fund", `aws-lambda-ric@${VERSION}`], { cwd: FOLDER, env });
    await access(native);
    return { file };
  } catch (error) {
    return { missing: `its build failed: ${error instanceof Error ? error.message.slice(0, 500) : error}` };
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
