// Our server on stdio, as the adapter serves it. State is where the argument says, as ours-app.ts explains.

import { serveStdio, takeStdout } from "@stateful-mcp/adapters/stdio";
import { silentLogger } from "@stateful-mcp/core";
import { answerQuestions } from "../control.ts";
import { oursApp } from "./ours-app.ts";

const output = takeStdout();
const app = await oursApp(process.argv[2]);
answerQuestions({ ready: () => ({ port: 0 }) });
await serveStdio(app, { logger: silentLogger, output });
