// Stands in a function's bundle for the MCP SDK's choice of a JSON Schema validator: the one it uses outside Node, a tenth in size.
export { CfWorkerJsonSchemaValidator as DefaultJsonSchemaValidator } from "@modelcontextprotocol/server/validators/cf-worker";
