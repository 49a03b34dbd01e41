// Tasks while a server is deployed anew: processes of the old and of the new version share one table, and one of them may lack a tool,
// or take other arguments.
import { acceptedContent, inputRequired } from "@modelcontextprotocol/server";
import { expect, it } from "vitest";
import * as z from "zod";
import { defineTool } from "../define/tool.ts";
import { type TestApp, testApp } from "../testing/test-app.ts";

const LEASE_SECONDS = 21;
/** For so long a task whose tool a process does not have may be that of a newer version. */
const UNKNOWN_TOOL_SECONDS = 600;

const form = z.object({ value: z.string() });

/** The tool of one version: it asks once, and tells which version has run it and as which attempt. */
function version(name: string, { input = z.object({ year: z.int() }), asks = false, holds = false } = {}) {
  const runs: number[] = [];
  const tool = defineTool({
    name: "report",
    description: "Reports.",
    task: "allowed",
    input,
    output: z.object({ by: z.string(), value: z.string() }),
    run: async (_, { answers, task, signal }) => {
      runs.push(task?.attempt ?? 0);
      if (holds) await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      if (!asks) return { by: name, value: "" };
      const value = acceptedContent(answers, "q", form)?.value;
      if (value !== undefined) return { by: name, value };
      return inputRequired({ inputRequests: { q: inputRequired.elicit({ message: "?", requestedSchema: form }) } });
    },
  });
  return { tool, runs };
}

const beside = ({ store, clock }: TestApp, tools: Parameters<typeof testApp>[0] = {}) =>
  testApp({ ...tools, store, clock });

/** Ends a process as an orchestrator does: it hands over what it runs. */
async function end({ app }: TestApp): Promise<void> {
  app.drain();
  await app.close();
}

it("a task that runs, and one that waits for its user, are moved to the new version without counting", async () => {
  const old = version("old", { holds: true });
  const [runs, asks] = [testApp({ tools: [old.tool] }), version("old", { asks: true })];
  const asking = beside(runs, { tools: [asks.tool] });
  const running = await runs.callAsTask("report", { year: 2026 });
  const parked = await asking.callAsTask("report", { year: 2026 });
  expect(await parked.settled()).toMatchObject({ status: "input_required" });
  await expect.poll(() => old.runs).toEqual([1]);
  await Promise.all([runs, asking].map(end));
  const newer = version("new", { asks: true });
  const next = beside(runs, { tools: [newer.tool] });
  await next.task(parked.id).answer({ "1.q": { action: "accept", content: { value: "yes" } } });
  expect(await next.task(parked.id).settled()).toMatchObject({ outcome: { result: { by: "new", value: "yes" } } });
  expect(await next.task(running.id).settled()).toMatchObject({ status: "input_required" });
  expect(newer.runs).toEqual([1, 1]);
});

it("a process takes no task whose tool it does not have, while one of the version that has it can come", async () => {
  const { tool, runs } = version("new");
  const newer = testApp({ tools: [tool] });
  const old = beside(newer);
  const held = version("new", { holds: true });
  const first = beside(newer, { tools: [held.tool] });
  const { id } = await first.callAsTask("report", { year: 2026 });
  await expect.poll(() => held.runs).toEqual([1]);
  first.crash();
  newer.clock.advance(LEASE_SECONDS);
  expect(await old.task(id).get()).toMatchObject({ status: "working" });
  await old.app.settle();
  expect(await old.task(id).get()).toMatchObject({ status: "working" });
  expect(await newer.task(id).settled()).toMatchObject({ outcome: { result: { by: "new" } } });
  expect(runs).toEqual([2]);
});

it("a task whose tool no version has any more fails, and says so", async () => {
  const held = version("old", { holds: true });
  const old = testApp({ tools: [held.tool] });
  const { id } = await old.callAsTask("report", { year: 2026 });
  await expect.poll(() => held.runs).toEqual([1]);
  old.crash();
  const newer = beside(old);
  newer.clock.advance(LEASE_SECONDS + UNKNOWN_TOOL_SECONDS);
  expect(await newer.task(id).settled()).toMatchObject({
    status: "failed",
    outcome: { protocolError: { code: -32_602, message: "There is no tool report." } },
  });
});

it("arguments that the new version does not take are refused as those of a call are", async () => {
  const held = version("old", { holds: true });
  const old = testApp({ tools: [held.tool] });
  const { id } = await old.callAsTask("report", { year: 2026 });
  await expect.poll(() => held.runs).toEqual([1]);
  old.crash();
  const { tool, runs } = version("new", { input: z.object({ from: z.int(), to: z.int() }) as never });
  const newer = beside(old, { tools: [tool] });
  newer.clock.advance(LEASE_SECONDS);
  expect(await newer.task(id).settled()).toMatchObject({
    status: "completed",
    outcome: { error: { code: "invalid_input", message: expect.stringContaining("from") } },
  });
  expect(runs).toEqual([]);
});
