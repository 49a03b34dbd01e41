// The log of a stream's messages: what expired is said to be gone, never skipped.
import { expect, it } from "vitest";
import { MemoryStore } from "../stores/memory.ts";
import { EventLog } from "./events.ts";

const STREAM = { principal: "p", session: "s", stream: "call" };
const TWO_HOURS = 7200;

async function logOf(count: number) {
  let now = 1_800_000_000_000;
  const clock = { now: () => now };
  const log = new EventLog(new MemoryStore({ clock }), clock);
  for (let i = 1; i <= count; i++) await log.append(STREAM, `{"i":${i}}`);
  const later = (seconds: number) => {
    now += seconds * 1000;
  };
  return { log, later };
}

it("a stream is resumed after any event, the last one included", async () => {
  const { log } = await logOf(3);
  expect((await log.resume(STREAM, 0)).map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  expect(await log.resume(STREAM, 3)).toEqual([]);
});

it("a stream whose events have all expired cannot be resumed, however many there were", async () => {
  for (const count of [3, 60]) {
    const { log, later } = await logOf(count);
    later(TWO_HOURS);
    await expect(log.resume(STREAM, 2)).rejects.toThrow("cannot be resumed");
  }
});

it("a stream that was trimmed is resumed after what is left, and not before", async () => {
  const { log } = await logOf(5);
  await log.trim(STREAM, 3);
  await expect(log.resume(STREAM, 2)).rejects.toThrow("cannot be resumed");
  expect((await log.resume(STREAM, 3)).map(({ sequence }) => sequence)).toEqual([4, 5]);
});
