import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { movableClock, testApp } from "@stateful-mcp/core/testing";
import { describeStateStore } from "@stateful-mcp/core/testing/stores";
import { expect, it, onTestFinished } from "vitest";
import { FileStore } from "./file-store.ts";

// All it takes to hold a store to the contract.
describeStateStore("FileStore", async () => {
  const clock = movableClock();
  const directory = await mkdtemp(join(tmpdir(), "file-store-"));
  const store = await FileStore.open(join(directory, "journal"), clock);
  const close = async () => {
    await store.close();
    await rm(directory, { recursive: true });
  };
  return { store, other: store, clock, close };
});

it("gives everything back after a restart, repeats and expiry included, and forgets a line that was never finished", async () => {
  const clock = movableClock();
  const directory = await mkdtemp(join(tmpdir(), "file-store-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const path = join(directory, "journal");
  const first = await FileStore.open(path, clock);
  const before = testApp({ store: first, clock });
  await before.call("add_note", { note: "kept", idempotency_key: "k" });
  await before.call("store_value", { key: "brief", value: 1, ttl_seconds: 10 });
  await first.close();
  await appendFile(path, '{"at":1,"create":[');
  clock.advance(10);
  const second = await FileStore.open(path, clock);
  const after = testApp({ store: second, clock });
  expect(await after.call("add_note", { note: "kept", idempotency_key: "k" })).toMatchObject({ count: 1 });
  expect(await after.call("get_value", { key: "brief" })).toMatchObject({ found: false });
  expect(await after.call("add_note", { note: "more" })).toMatchObject({ count: 2 });
  await second.close();
  const third = testApp({ store: await FileStore.open(path, clock), clock });
  onTestFinished(() => third.store.close());
  expect(await third.call("get_notes")).toMatchObject({ notes: ["kept", "more"] });
});
