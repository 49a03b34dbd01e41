// A server in a process of its own, whose memory a test can look at: it tells its parent what it has answered and the most that it has
// held. Knows no test.

import { serveNode } from "@stateful-mcp/adapters/node";
import { createApp, parseTokens, silentLogger } from "@stateful-mcp/core";

const app = createApp({ access: { mode: "tokens", tokens: parseTokens(String(process.env.TOKENS)) } });
let answered = 0;
const carried: typeof app.fetch = async (...given) => {
  const response = await app.fetch(...given);
  answered += 1;
  return response;
};
const { url } = await serveNode(
  { fetch: carried, drain: app.drain },
  { host: "127.0.0.1", port: 0, logger: silentLogger, drainSeconds: 0 },
);
process.on("message", () => process.send?.({ url, answered, peakMiB: process.resourceUsage().maxRSS / 1024 }));
process.on("disconnect", () => process.exit());
