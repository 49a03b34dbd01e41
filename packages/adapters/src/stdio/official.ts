// The official SDK's side of a conversation over stdio: what is not plain is checked and answered there. Loaded when the first such
// message comes. Knows no stdin and no stdout.
import { type JSONRPCMessage, parseJSONRPCMessage, type Transport } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import type { App } from "@stateful-mcp/core/runtime";

export type Message = JSONRPCMessage;

/** What the SDK's answers go through. */
export interface Wire {
  send(message: Message): Promise<void>;
  close(): Promise<void>;
  failed(error: Error): void;
}

/** A server that is given messages. */
export interface Official {
  /** A message as the SDK has checked it. @throws Error for what is none. */
  parse(value: unknown): Message;
  deliver(message: Message): void;
  /** The connection is over. */
  closed(): void;
}

/** Connects the app's servers to the wire. */
export function openOfficial({ mcp }: Pick<App, "mcp">, { send, close, failed }: Wire): Official {
  const transport: Transport = { start: async () => {}, send, close };
  serveStdio(mcp, { transport, onerror: failed });
  return {
    parse: parseJSONRPCMessage,
    deliver: (message) => transport.onmessage?.(message),
    closed: () => transport.onclose?.(),
  };
}
