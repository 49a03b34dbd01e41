// What this package calls itself, and how a person calls it. The bundler inlines package.json.
import manifest from "../package.json" with { type: "json" };

export const VERSION: string = manifest.version;

/** What to type before a subcommand: in a checkout there is no `stateful-mcp` on the path. */
export const COMMAND: string = import.meta.url.endsWith(".ts") ? "bin/stateful-mcp" : "stateful-mcp";

/** Which Node.js runs this, as package.json says: `^major.minor.0` and `>=major.minor.0`, joined by ` || `. */
export const NODE_RANGE: string = manifest.engines.node;

/** A sentence for a Node.js that does not run this; undefined for one that does. */
export function unfitNode(running: string): string | undefined {
  const [major = 0, minor = 0] = running.split(".").map(Number);
  const fits = NODE_RANGE.split(" || ").some((part) => {
    const [least = 0, leastMinor = 0] = part.replace(/^\D+/, "").split(".").map(Number);
    return (major === least && minor >= leastMinor) || (part.startsWith(">=") && major > least);
  });
  if (fits) return undefined;
  return `Node.js ${running} does not run this: it needs ${NODE_RANGE}. Install the newest Node.js 24 from https://nodejs.org`;
}
