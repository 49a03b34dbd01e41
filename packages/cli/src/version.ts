// What this package calls itself. The bundler inlines package.json.
import manifest from "../package.json" with { type: "json" };

export const VERSION: string = manifest.version;
