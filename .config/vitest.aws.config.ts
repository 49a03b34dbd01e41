// What needs programs that are no Node packages (a container builder, an AWS emulator). A missing one is a skip that names it.
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: {
    include: ["cdk/test/aws/*.aws.ts", "packages/*/test/aws/*.aws.ts"],
    testTimeout: 900_000,
    hookTimeout: 900_000,
    pool: "forks",
    maxWorkers: 1,
    reporters: ["verbose"],
  },
});
