// Baseline: the official SDK 2.x on stdio.
import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import * as z from "zod";
import { answerQuestions } from "../control.ts";

serveStdio(() => {
  const server = new McpServer({ name: "official", version: "0.1.0" });
  server.registerTool(
    "echo",
    {
      title: "Echo",
      description: "Returns the text it is given.",
      inputSchema: z.object({ text: z.string() }),
      outputSchema: z.object({ text: z.string() }),
    },
    ({ text }) => ({ content: [{ type: "text", text }], structuredContent: { text } }),
  );
  return server;
});
answerQuestions({ ready: () => ({ port: 0 }) });
