// Whether anything listens at an address, in plain words: before commands that need a running server. Sends no request.
import { once } from "node:events";
import { connect } from "node:net";
import { AppError } from "@stateful-mcp/core/runtime";
import { COMMAND } from "./version.ts";

const CONNECT_MS = 5_000;

/** @throws AppError `invalid_input` for what is no URL, `unavailable` where nothing listens. */
export async function requireListening(url: string): Promise<void> {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new AppError(
      "invalid_input",
      `${JSON.stringify(url)} is not a URL; give the MCP endpoint, for example http://127.0.0.1:3333/mcp`,
    );
  }
  const { hostname, port, protocol, host } = new URL(url);
  const socket = connect(Number(port) || (protocol === "https:" ? 443 : 80), hostname.replace(/^\[|\]$/g, ""));
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(CONNECT_MS) });
  } catch (error) {
    throw new AppError("unavailable", `${why(error, host)}. To start one here: ${COMMAND} serve`, { cause: error });
  } finally {
    socket.destroy();
  }
}

function why(error: unknown, host: string): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ECONNREFUSED") return `Nothing listens at ${host}`;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return `The name in ${host} is not known`;
  return `${host} does not answer`;
}
