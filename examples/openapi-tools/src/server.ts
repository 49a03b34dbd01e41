// Serves the app: over stdio without arguments, over HTTP with `serve`.
import { run } from "@stateful-mcp/adapters";
import { app } from "./app.ts";

await run(app);
