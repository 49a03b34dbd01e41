// How commands end: shared with servers that people write themselves.
export { EXIT, endWith, messageOf, printable } from "@stateful-mcp/adapters/process";
