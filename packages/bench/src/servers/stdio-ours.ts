// Our server on stdio, on the engine whose endpoint is the first argument.
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { answerQuestions } from "../control.ts";
import { oursApp } from "./ours-app.ts";

serveStdio(oursApp(process.argv[2]).mcp);
answerQuestions({ ready: () => ({ port: 0 }) });
