// Makes the MCP App of the console's pages about memory: one file that loads nothing, `console-app/memory.html`, which is committed, so
// that a clone serves it without a bundler. `tsx build-console-app.ts` writes it; a test says when it is not what its sources make.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

const FOLDER = fileURLToPath(new URL("./console-app", import.meta.url));
const CONSOLE = fileURLToPath(new URL("./console", import.meta.url));
/** Where the page stands as it is served. */
export const MEMORY_PAGE = join(FOLDER, "memory.html");

/** A file of the app stands in for the console's file of the same name. */
const standIns: Plugin = {
  name: "stand-ins",
  setup: ({ onResolve }) => {
    onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) => {
      const meant = resolve(resolveDir, path);
      const own = join(FOLDER, basename(meant));
      return dirname(meant) === CONSOLE && existsSync(own) ? { path: own } : undefined;
    });
  },
};

/** The page as its sources make it. */
export async function memoryPage(): Promise<string> {
  const common = { bundle: true, minify: true, write: false, legalComments: "none", charset: "utf8" } as const;
  const { outputFiles: scripts } = await build({
    ...common,
    entryPoints: [join(FOLDER, "main.js")],
    format: "iife",
    target: "es2022",
    plugins: [standIns],
  });
  const { outputFiles: styles } = await build({
    ...common,
    entryPoints: [join(CONSOLE, "console.css")],
    // As it stands: what it asks of a browser is for the one who reads it to see.
    target: "esnext",
  });
  const [script = "", style = ""] = [scripts[0]?.text.trim(), styles[0]?.text.trim()];
  // A host allows what is inline. This policy allows this one script and this one style, and turns no text into markup.
  const policy = [
    "default-src 'none'",
    `script-src '${hash(script)}'`,
    `style-src '${hash(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
  const parts: Record<string, string> = { POLICY: policy, STYLE: style, SCRIPT: script };
  const page = await readFile(join(FOLDER, "page.html"), "utf8");
  return page.replace(/\b(POLICY|STYLE|SCRIPT)\b/g, (name) => parts[name] ?? name);
}

const hash = (text: string): string => `sha256-${createHash("sha256").update(text).digest("base64")}`;

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(MEMORY_PAGE, await memoryPage());
