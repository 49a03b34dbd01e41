// The public surface of @stateful-mcp/core.
export {
  acceptedContent,
  type ContentBlock,
  inputRequired,
  inputResponse,
  ProtocolError,
} from "@modelcontextprotocol/server";
export * from "./runtime.ts";
