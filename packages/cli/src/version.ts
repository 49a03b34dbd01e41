// What this package calls itself, and how a person calls it. The bundler inlines package.json.
import manifest from "../package.json" with { type: "json" };

export const VERSION: string = manifest.version;

/** What to type before a subcommand: in a checkout there is no `stateful-mcp` on the path. */
export const COMMAND: string = import.meta.url.endsWith(".ts") ? "npx -y pnpm@10 stateful-mcp" : "stateful-mcp";
