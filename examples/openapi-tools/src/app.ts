// A server whose tools are the operations of an HTTP API, one each, made from its OpenAPI 3 document. Settings: OPENAPI_DOCUMENT, the
// document's address or file, in JSON; OPENAPI_AUTHORIZATION, sent as the header Authorization; OPENAPI_SERVER, in place of the document's server.
import { createApp } from "@stateful-mcp/core";
import { toolsOf } from "./operations.ts";

const { OPENAPI_DOCUMENT: document, OPENAPI_AUTHORIZATION: authorization, OPENAPI_SERVER: server } = process.env;
if (!document) throw new Error("Set OPENAPI_DOCUMENT to the address or the file of an OpenAPI document.");

export const app = createApp({ name: "openapi-tools", tools: await toolsOf(document, { authorization, server }) });
