// What a tool's call came to, as MCP's CallToolResult: a result or an error that a model reads. The JSON-RPC message around it is written in
// jsonrpc-answer.ts, or by the official SDK. Knows no server.
import type { ContentBlock } from "@modelcontextprotocol/server";
import type { AppError } from "../errors.ts";

const ERROR_META_KEY = "io.github.stateful-mcp/error";

/** A result: as content blocks where the tool gives them, else as an object and, for clients that read no objects, its text. */
export function callToolResult(structured: Record<string, unknown>, blocks: boolean) {
  if (blocks) return structured as { content: ContentBlock[]; isError?: boolean };
  return { content: [{ type: "text" as const, text: JSON.stringify(structured) }], structuredContent: structured };
}

type ErrorFacts = Pick<AppError, "code" | "message" | "retryable"> &
  Partial<Pick<AppError, "retryAfterSeconds" | "details">>;

/** A tool error as the model reads it: what happened and what to do, with the code for programs. */
export function errorResult({ code, message, retryable, retryAfterSeconds, details }: ErrorFacts) {
  const facts = {
    code,
    retryable,
    ...(retryAfterSeconds !== undefined && { retry_after_seconds: retryAfterSeconds }),
    ...details,
  };
  return {
    content: [{ type: "text" as const, text: message }],
    isError: true,
    _meta: { [ERROR_META_KEY]: facts },
  };
}
