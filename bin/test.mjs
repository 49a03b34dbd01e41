// Runs the tests, after it has installed what they need. Arguments are Vitest's: words of a path choose files.
import { join } from "node:path";
import { become, endWithNpm, install, pinnedNode, ROOT } from "./workspace.mjs";

endWithNpm();
const args = process.argv.slice(2);
install("all");
if (!args.some((argument) => !argument.startsWith("-"))) {
  process.stderr.write(
    "Every test runs: 20 to 25 minutes on two cores. A line tells of each file that is done; what failed is named at the end.\n",
  );
}
const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
become(pinnedNode(), [vitest, "run", "--config", join(ROOT, ".config/vitest.config.ts"), ...args], { cwd: ROOT });
