import { expect, it } from "vitest";
import { MemoryStore } from "../stores/memory-store.ts";
import { movableClock } from "../testing/contracts/store-harness.ts";
import { OpenTasks } from "./open-tasks.ts";

it("a look that was cut off tells the others that tasks may be open, so that they go on looking", async () => {
  const clock = movableClock();
  const list = new OpenTasks(new MemoryStore({ clock }), clock, 100);
  const everyMs = 60_000;
  expect(await list.beginLook(everyMs)).toBeUndefined();
  await list.endLook(0);
  expect(await list.beginLook(everyMs)).toBe(0);
  clock.advance(61);
  expect(await list.beginLook(everyMs)).toBeUndefined();
  expect(await list.beginLook(everyMs)).toBe(1);
});
