// Loads a function's asset as Lambda would, answers one event, and writes when both were done, in milliseconds since the process began.
import { pathToFileURL } from "node:url";

Object.assign(globalThis, { awslambda: { streamifyResponse: (handler: unknown) => handler } });
const { bufferedHandler } = (await import(pathToFileURL(process.argv[2] ?? "").href)) as {
  bufferedHandler: (event: unknown, context: unknown) => Promise<{ statusCode: number }>;
};
const loadedMs = performance.now();
const event = {
  version: "2.0",
  rawPath: "/healthz",
  requestContext: { http: { method: "GET" }, domainName: "localhost", stage: "$default" },
};
const { statusCode } = await bufferedHandler(event, { getRemainingTimeInMillis: () => 60_000 });
if (statusCode !== 200) throw new Error(`the function answered ${statusCode}`);
process.stdout.write(JSON.stringify({ loadedMs, answeredMs: performance.now() }));
process.exit(0);
