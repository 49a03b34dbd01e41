import { AppError } from "@stateful-mcp/core";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Check, runChecks } from "./checklist.ts";

let printed = "";
beforeEach(() => {
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += text;
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

const failing = (error: unknown, more: Partial<Check> = {}): Check => ({
  name: "a check",
  fix: "do this",
  run: () => Promise.reject(error),
  ...more,
});
const passing: Check = { name: "another", fix: "", run: async () => "fine" };

it.each([
  [new Error("x"), 1],
  [new AppError("invalid_input", "x"), 2],
  [new AppError("unavailable", "x"), 3],
])("ends with the code of the first failure: %s, %i", async (error, code) => {
  expect(await runChecks([passing, failing(error), failing(new Error("later"))])).toBe(code);
});

it("names the action that AWS denied, and its one remedy", async () => {
  const cause = new Error("User: arn:aws:iam::1:user/a is not authorized to perform: dynamodb:Query on resource: x");
  await runChecks([failing(new AppError("unavailable", "The store did not answer.", { cause }))]);
  expect(printed).toMatch(/✗ a check: these credentials may not do dynamodb:Query\n {2}→ Allow dynamodb:Query/);
});

it("stops where all later checks would fail for the same reason", async () => {
  await runChecks([failing(new Error("down"), { essential: true }), passing]);
  expect(printed).not.toContain("another");
});

it("shows what a server says of itself, and tells the terminal nothing", async () => {
  await runChecks([{ ...passing, run: async () => "evil\u001b[2J\u009b1m" }, failing(new Error("\u202eno"))]);
  expect(printed).toContain("evil\\u001b[2J\\u009b1m");
  expect(printed).toContain("\\u202eno");
  printed = "";
  await runChecks([failing(new Error("\u009b1m"))], { json: true });
  expect(printed).toContain(String.raw`"\u009b1m"`);
});

it("prints one JSON document when asked", async () => {
  await runChecks([passing, failing(new Error("down"))], { json: true });
  expect(JSON.parse(printed)).toMatchObject({
    ok: false,
    checks: [
      { name: "another", ok: true, detail: "fine" },
      { name: "a check", ok: false, detail: "down", fix: "do this" },
    ],
  });
});
