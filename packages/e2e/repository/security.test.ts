// SECURITY.md against the repository: every promise names tests that exist, and a finder of a hole knows where to go.
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PAGE = readFileSync(join(ROOT, "SECURITY.md"), "utf8");
const section = (title: string) => PAGE.split(/^## /m).find((one) => one.startsWith(`${title}\n`)) ?? "";
const rows = (title: string) =>
  section(title)
    .split("\n")
    .filter((line) => /^\| (?!-)/.test(line))
    .slice(1);

test("every promise names tests that exist", () => {
  const promises = rows("Promises, and the test that keeps each");
  expect(promises.length).toBeGreaterThan(20);
  for (const promise of promises) {
    const kept = promise.split(" | ").at(-1) ?? "";
    const paths = [...kept.matchAll(/`([^`]+)`/g)].map(([, path = ""]) => path);
    expect(paths.length, promise).toBeGreaterThan(0);
    for (const path of paths) {
      const files = path.endsWith("/") ? globSync(`${path}*.ts`, { cwd: ROOT }) : [path];
      expect(files.length, path).toBeGreaterThan(0);
      for (const file of files) {
        expect(existsSync(join(ROOT, file)), `${file} of: ${promise}`).toBe(true);
        if (file.endsWith(".test.ts"))
          expect(readFileSync(join(ROOT, file), "utf8"), file).toMatch(/\b(?:it|test)(?:\.\w+)*[.(]/);
      }
    }
  }
});

test("it says which versions get fixes, and how to report", () => {
  expect(rows("Supported versions").length).toBeGreaterThan(1);
  expect(section("Reporting")).toMatch(/private vulnerability reporting/);
});
