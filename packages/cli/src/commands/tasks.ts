// `tasks`: the open tasks of all callers, of any app that keeps them in the configured table.
import { type LoadOptions, listOpenTasks } from "@stateful-mcp/adapters/process";
import { createApp } from "@stateful-mcp/core/runtime";
import { VERSION } from "../version.ts";

export const tasks = (options: LoadOptions): Promise<number> => listOpenTasks(createApp({ version: VERSION }), options);
