// The app of the ready server. A bundler that gives this module another file serves that file's `app` instead.
import { createApp } from "@stateful-mcp/core/runtime";

/** The ready server. */
export const app = createApp();
