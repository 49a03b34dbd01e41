import { describeStateStore, movableClock } from "../testing/contracts/store-contract.ts";
import { MemoryStore } from "./memory-store.ts";

describeStateStore("MemoryStore", async () => {
  const clock = movableClock();
  const store = new MemoryStore({ clock });
  return { store, other: store, clock, close: () => store.close() };
});
