// The imports of the repository's source files as a graph, and what may not be in it. Reads text; loads no code.
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

export interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** Package names as written, and paths from the root for relative imports; types and dynamic imports included. */
  readonly imports: readonly string[];
}

const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']/g;

export function readSource(root: string, path: string): SourceFile {
  const text = readFileSync(join(root, path), "utf8");
  const imports = [...text.matchAll(IMPORT)].map(([, name = ""]) =>
    name.startsWith(".") ? relative(root, join(root, dirname(path), name)).replaceAll("\\", "/") : name,
  );
  return { path, text, imports };
}

/** `file → import` for every import that must not be there. */
export const offences = (
  files: readonly SourceFile[],
  forbidden: (name: string, file: SourceFile) => boolean,
): string[] =>
  files.flatMap((file) => file.imports.filter((name) => forbidden(name, file)).map((name) => `${file.path} → ${name}`));

/** `packages/core` of `packages/core/src/app.ts`. Each example is a package too; `bin` is the entry of `cdk`. */
const packageOf = (path: string): string =>
  (/^(packages|examples)\/[^/]+|^[^/]+/.exec(path)?.[0] ?? path).replace(/^bin$/, "cdk");

/** Relative imports that leave their package: what a package gives others stands in its `exports`. */
export const acrossPackages = (files: readonly SourceFile[]): string[] =>
  offences(
    files,
    (name, { path }) => /^(packages|examples|cdk|bin)\//.test(name) && packageOf(name) !== packageOf(path),
  );

/** Every circle of imports, as `a → b → a`, one for each way back that a walk in depth meets. */
export function circles(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const found: string[] = [];
  const finished = new Set<string>();
  const walk = (file: SourceFile, way: readonly string[]) => {
    if (finished.has(file.path)) return;
    for (const name of file.imports) {
      const next = byPath.get(name);
      if (!next) continue;
      const at = [...way, file.path].indexOf(next.path);
      if (at >= 0) found.push([...[...way, file.path].slice(at), next.path].join(" → "));
      else walk(next, [...way, file.path]);
    }
    finished.add(file.path);
  };
  for (const file of files) walk(file, []);
  return found;
}
