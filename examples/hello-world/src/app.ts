// The smallest server: one tool that answers.
import { createApp, defineTool } from "@stateful-mcp/core";
import * as z from "zod";

const hello = defineTool({
  name: "hello",
  description: "Greets a person by name.",
  session: "none",
  input: z.object({ name: z.string() }),
  output: z.object({ greeting: z.string() }),
  run: ({ name }) => ({ greeting: `Hello, ${name}!` }),
});
export const app = createApp({ name: "hello-world", tools: [hello] });
