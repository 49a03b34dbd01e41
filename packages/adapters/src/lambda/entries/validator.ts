// Stands in a function's bundle for the MCP SDK's choice of a JSON Schema validator: the one it uses outside Node, a tenth in size.
// `process` is what the SDK's stdio takes from the same place: the bundler asks for it before it leaves stdio out.

export { default as process } from "node:process";
export { CfWorkerJsonSchemaValidator as DefaultJsonSchemaValidator } from "@modelcontextprotocol/server/validators/cf-worker";
