// `inspect`: opens the official MCP Inspector on a server that runs already. Starts no server.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { homedir } from "node:os";
import { AppError } from "@stateful-mcp/core/runtime";
import { requireListening } from "../listening.ts";
import { EXIT } from "../run.ts";

/** Pinned, so that what npx fetches today is what was tried. */
const INSPECTOR = "@modelcontextprotocol/inspector@2.12.0";

export async function inspect(url: string): Promise<number> {
  await requireListening(url);
  const args = ["-y", INSPECTOR, "--transport", "http", "--server-url", url, "--protocol-era", "auto"];
  // In another's folder npx would run the package that lies in it, or fetch from the registry that its .npmrc names.
  const child = spawn("npx", args, { cwd: homedir(), stdio: "inherit", shell: process.platform === "win32" });
  const [code] = await Promise.race([once(child, "close"), failed(child)]);
  return code === 0 || code === null ? EXIT.done : EXIT.failed;
}

async function failed(child: ReturnType<typeof spawn>): Promise<never> {
  const [error] = (await once(child, "error")) as [NodeJS.ErrnoException];
  throw new AppError("invalid_input", `npx could not be started (${error.code}); it comes with Node.js`);
}
