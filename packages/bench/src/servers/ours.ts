// Our server over HTTP, carried as the program carries it. Arguments: where state is and, for many principals, their tokens.
import { serveNode, withShortWay } from "@stateful-mcp/adapters/node";
import { silentLogger } from "@stateful-mcp/core";
import { answerQuestions } from "../control.ts";
import { oursApp } from "./ours-app.ts";

const app = await oursApp(process.argv[2], process.argv[3]);
const { url } = await serveNode(await withShortWay(app), { host: "127.0.0.1", port: 0, logger: silentLogger });
answerQuestions({ ready: async () => ({ port: Number(new URL(url).port) }) });
