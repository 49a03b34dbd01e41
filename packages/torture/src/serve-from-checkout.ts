// How the bars start the ready server: from the sources of this checkout.
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url));

export function serveFromCheckout(port: number): { command: string; args: readonly string[] } {
  return {
    command: process.execPath,
    args: ["--import", "tsx", MAIN, "serve", "--host", "127.0.0.1", "--port", String(port)],
  };
}
