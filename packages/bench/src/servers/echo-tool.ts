// The tool whose cost is all server: it returns the text it is given.
import { defineTool } from "@stateful-mcp/core";
import * as z from "zod";

export const echo = defineTool({
  name: "echo",
  title: "Echo",
  description: "Returns the text it is given.",
  input: z.object({ text: z.string() }),
  output: z.object({ text: z.string() }),
  run: async ({ text }) => ({ text }),
});
