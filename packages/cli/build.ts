// Builds what is published: one folder that runs without the workspace. Everything is bundled except the engine's native parts.
// Split into chunks, so that a command loads only what it needs.
import { chmod, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";
import { noticesOf, packagesIn } from "./notices.ts";
import { sbomOf } from "./sbom.ts";

/** Where to; the argument, `dist` without one. */
const outdir = process.argv[2] ?? "dist";
await rm(outdir, { recursive: true, force: true });
const { metafile } = await build({
  metafile: true,
  // The engine's process is started by its file name, beside the code that starts it.
  entryPoints: { main: "src/main.ts", "engine-main": "../local/src/engine-main.ts" },
  outdir,
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
  // They stand in one file instead, with the texts that most packages keep beside their code.
  legalComments: "none",
  // Some bundled packages are CommonJS and ask for Node's own modules.
  banner: {
    js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
  },
  logLevel: "warning",
});
const bundled = packagesIn(metafile);
await writeFile(`${outdir}/THIRD-PARTY-NOTICES.txt`, noticesOf(bundled));
const sbom = sbomOf({
  manifest: JSON.parse(await readFile("package.json", "utf8")),
  lockfile: await readFile("../../pnpm-lock.yaml", "utf8"),
  folder: "packages/cli",
  bundled,
});
await writeFile(`${outdir}/sbom.cdx.json`, `${JSON.stringify(sbom, undefined, 2)}\n`);
await chmod(`${outdir}/main.js`, 0o755);
