// Builds what is published: one folder that runs without the workspace. Everything is bundled except the engine's native parts.
// Split into chunks, so that a command loads only what it needs.
import { chmod, rm } from "node:fs/promises";
import { build } from "esbuild";

await rm("dist", { recursive: true, force: true });
await build({
  // The engine's process is started by its file name, beside the code that starts it.
  entryPoints: { main: "src/main.ts", "engine-main": "../local/src/engine-main.ts" },
  outdir: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node22",
  // Stands on a database that is native code, so it comes as a dependency of the package.
  external: ["dynalite"],
  // The form it names for Node asks for its own files in a way that no bundler can follow.
  alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" },
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "none",
  // Some bundled packages are CommonJS and ask for Node's own modules.
  banner: {
    js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
  },
  logLevel: "warning",
});
await chmod("dist/main.js", 0o755);
