// A process that writes to the file it is given until it is killed, and prints the number of each write that was acknowledged.
import { SqliteStore } from "@stateful-mcp/core/sqlite";

const [path = "", name = "", from = "0"] = process.argv.slice(2);
const store = await SqliteStore.open(path);
for (let n = Number(from); ; n += 8) {
  const keys = Array.from({ length: 8 }, (_, i) => n + i);
  await Promise.all(
    keys.map((i) => store.create({ pk: name, sk: String(i).padStart(9, "0") }, { i }, { id: `${name} ${i}` })),
  );
  process.stdout.write(`${n + 7}\n`);
}
