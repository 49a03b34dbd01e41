// What this package calls itself, and how a person calls it. The bundler inlines package.json.
import manifest from "../package.json" with { type: "json" };

export const VERSION: string = manifest.version;

/** What to type before a subcommand: in a checkout there is no `stateful-mcp` on the path. */
export const COMMAND: string = import.meta.url.endsWith(".ts") ? "bin/stateful-mcp" : "stateful-mcp";

/** The oldest Node.js that runs this, as package.json says. */
export const OLDEST_NODE: string = manifest.engines.node.replace(">=", "");

/** A sentence for a Node.js that is too old; undefined for one that will do. */
export function tooOld(running: string): string | undefined {
  const [major = 0, minor = 0] = OLDEST_NODE.split(".").map(Number);
  const [ownMajor = 0, ownMinor = 0] = running.split(".").map(Number);
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return undefined;
  return `Node.js ${running} is too old: ${OLDEST_NODE} or newer is needed. Install Node.js 24 from https://nodejs.org`;
}
