// A server with tools whose calls become tasks, and with the console, for the tests of its pages.
import { serve } from "@stateful-mcp/adapters/process";
import { createApp, defineTool } from "@stateful-mcp/core";

const brief = defineTool({
  name: "brief",
  description: "Ends at once.",
  session: "none",
  task: "required",
  run: () => "It is done.",
});

const endless = defineTool({
  name: "endless",
  description: "Waits until it is cancelled.",
  session: "none",
  task: "required",
  run: (_, { signal }) =>
    new Promise<string>((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    }),
});

process.exitCode = await serve(createApp({ tools: [brief, endless] }), {
  port: "0",
  console: new URL("../console/", import.meta.url),
});
