// Starts a server process, tells its pid, and waits to be killed: the test looks at what becomes of the server.
import { ServerProcess } from "../src/processes.ts";

const args = [new URL("./small-server.ts", import.meta.url).pathname, "0"];
const server = await ServerProcess.start({ command: process.execPath, args, ready: /listening/ });
process.stderr.write(`started ${server.pid}\n`);
