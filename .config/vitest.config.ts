// One Vitest run over every package. Unit tests stand beside the source, contract and end-to-end suites in packages/*/test.
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: {
    include: [
      "packages/*/{src,test,wire,repository}/**/*.test.ts",
      "examples/*/**/*.test.ts",
      "cdk/{src,test}/**/*.test.ts",
    ],
    // A limit is there for a test that hangs. What a busy machine needs is far below it.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    // A condition that is waited for takes as long as a busy machine needs: never a test's own time limit.
    expect: { poll: { timeout: 20_000 } },
    pool: "forks",
    maxWorkers: 2,
  },
});
