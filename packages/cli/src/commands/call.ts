// `tools` and `call`: the ready server's tools at a terminal, on the state that its clients use.
import { callOnce, type LoadOptions, listTools } from "@stateful-mcp/adapters/process";
import { createApp } from "@stateful-mcp/core/runtime";
import { memoryView } from "../memory-view.ts";
import { VERSION } from "../version.ts";

export const tools = (options: LoadOptions): Promise<number> =>
  listTools(createApp({ version: VERSION, memoryView }), options);

export const call = (tool: string, words: readonly string[], options: LoadOptions): Promise<number> =>
  callOnce(createApp({ version: VERSION, memoryView }), tool, words, options);
