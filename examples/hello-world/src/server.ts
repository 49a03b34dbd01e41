// The smallest server: one tool that answers, over stdio without arguments, over HTTP with `serve`.
import { createApp, defineTool, run } from "@stateful-mcp/adapters";

const hello = defineTool({
  name: "hello",
  description: "Greets the caller.",
  run: () => "Hello!",
});
await run(createApp({ name: "hello-world", tools: [hello] }));
