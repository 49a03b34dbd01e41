// `calls`: the newest calls of all processes, of any app that keeps its journal in the configured table.
import { type CallWords, listCalls } from "@stateful-mcp/adapters/process";
import { createApp } from "@stateful-mcp/core/runtime";
import { VERSION } from "../version.ts";

export const calls = (words: CallWords): Promise<number> => listCalls(createApp({ version: VERSION }), words);
