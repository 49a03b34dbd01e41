// The default entry of the engine process: its options are the last argument, as JSON.
import { runEngine } from "./engine.ts";

await runEngine(JSON.parse(process.argv.at(-1) ?? ""));
