// The page of the MCP App that `show_memory` opens: one file of this package, in a clone and where it is published.

/** Resolves to its HTML. */
export async function memoryView(): Promise<string> {
  // Most processes are never asked for it.
  const { readFile } = await import("node:fs/promises");
  return readFile(new URL("../console-app/memory.html", import.meta.url), "utf8");
}
