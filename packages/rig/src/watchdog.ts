// A process of its own that outlives a torture run, however that ends, and then kills what the run had started and not
// yet seen end. It reads `+<pid>` and `-<pid>` lines; the end of its input means that the run is over.
import { createInterface } from "node:readline";

const alive = new Set<number>();
for await (const line of createInterface({ input: process.stdin })) {
  const pid = Number(line.slice(1));
  if (line.startsWith("+")) alive.add(pid);
  else alive.delete(pid);
}
for (const pid of alive) {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended in the meantime.
  }
}
