import { expect, test } from "vitest";
import { steadyRounds } from "./steady.ts";

/** Gives these floors one after the other, the last one for ever. */
function floors(...given: number[]): () => Promise<number> {
  let at = 0;
  return async () => given[Math.min(at++, given.length - 1)] ?? Number.NaN;
}

test("a round during which the floor moved is refused and another takes its place", async () => {
  const { values, refused } = await steadyRounds(2, floors(50, 52, 90, 91, 92), async (attempt) => attempt);
  // Round 2 saw the floor go from 52 to 90; round 3 was slow throughout, and its sides alike.
  expect(values).toEqual([1, 3]);
  expect(refused).toBe(1);
});

test("rounds of a steady machine all count, with the floors around them", async () => {
  expect(await steadyRounds(2, floors(50, 51, 49), async (attempt) => attempt)).toEqual({
    values: [1, 2],
    floors: [50, 51, 51, 49],
    refused: 0,
  });
});

test("a machine that never stays the same ends the run with the reason", async () => {
  let floor = 50;
  const doubling = async () => {
    floor *= 2;
    return floor;
  };
  await expect(steadyRounds(5, doubling, async () => 0)).rejects.toThrow("20 of 20 rounds");
});
