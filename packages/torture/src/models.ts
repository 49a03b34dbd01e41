// Runs the small exhaustive models of the rules of state, each in a process of its own, and prints what they count. A rule is
// changed in its model first, and in the code when the model finds no bad history.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../models/", import.meta.url));

for (const model of readdirSync(FOLDER)) {
  process.stdout.write(`\n${model}\n`);
  const { status } = spawnSync(process.execPath, [FOLDER + model], { stdio: "inherit" });
  if (status !== 0) process.exitCode = 1;
}
