// A process that writes to one SQLite file as fast as the disk acknowledges, and tells each acknowledged write to the process that started
// it. Arguments: the file and a name that no other writer has. It ends only by being killed.
import { AppError } from "@stateful-mcp/core";
import { SqliteStore } from "@stateful-mcp/core/sqlite";
import { COUNTER, IN_FLIGHT, keyOf, WORDS } from "../file-writes.ts";

const [path = "", name = ""] = process.argv.slice(2);
const store = await SqliteStore.open(path);
let next = 0;

async function write(): Promise<void> {
  for (;;) {
    const number = next++;
    await made(async () => {
      const { written } = await store.create(
        keyOf(name, number),
        { number, words: WORDS },
        { id: `${name}-${number}` },
      );
      return written;
    });
    await made(async () => {
      const { applied } = await store.update(
        COUNTER,
        { increment: { attribute: "n", by: 1 } },
        { on: "live-or-missing" },
      );
      return applied;
    });
    process.send?.(number);
  }
}

/** Again while other processes keep the file busy for too long: such a write was undone. */
async function made(write: () => Promise<boolean>): Promise<void> {
  for (;;) {
    try {
      if (await write()) return;
      throw new Error(`${name} was refused a write`);
    } catch (error) {
      if (!(error instanceof AppError && error.code === "unavailable")) throw error;
    }
  }
}

process.once("disconnect", () => process.exit(1));
await Promise.all(Array.from({ length: IN_FLIGHT }, write));
