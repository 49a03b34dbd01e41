// Collects the licences of what a bundle holds: esbuild leaves comments out, and with them what their authors ask to be kept.
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Metafile } from "esbuild";

interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
}

/** The folder and manifest of the package that a file belongs to. Folders inside packages may have manifests without a name. */
function packageOf(file: string): { folder: string; manifest: Manifest } | undefined {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, "package.json");
    if (!existsSync(path)) continue;
    const manifest = JSON.parse(readFileSync(path, "utf8")) as Manifest;
    if (manifest.name !== undefined && manifest.version !== undefined) return { folder, manifest };
  }
  return undefined;
}

/** A package of others in a bundle. */
export interface BundledPackage {
  readonly folder: string;
  readonly name: string;
  readonly version: string;
  readonly license: string;
}

/**
 * The packages of others in a bundle, each once.
 * @throws Error for a package that names no licence: a person has to look at it before it is published.
 */
export function packagesIn({ inputs }: Pick<Metafile, "inputs">): readonly BundledPackage[] {
  const seen = new Map<string, BundledPackage>();
  for (const input of Object.keys(inputs)) {
    if (!input.includes("node_modules")) continue;
    const found = packageOf(resolve(input));
    if (!found) continue;
    const { name = "", version = "", license } = found.manifest;
    if (license === undefined) throw new Error(`${name} ${version} names no licence.`);
    seen.set(`${name}@${version}`, { folder: found.folder, name, version, license });
  }
  return [...seen.values()];
}

/** Name, version, licence and its text for each package of others in a bundle. */
export function noticesOf(packages: readonly BundledPackage[]): string {
  /** Who has this text: many packages share one to the letter. */
  const holders = new Map<string, string[]>();
  for (const { folder, name, version, license } of packages) {
    const texts = globSync("{LICEN[CS]E,licen[cs]e,NOTICE,notice}*", { cwd: folder }).sort();
    const text = texts.map((file) => readFileSync(join(folder, file), "utf8").trim()).join("\n\n");
    const kept = text || "These packages have no file with their licence.";
    holders.set(kept, [...(holders.get(kept) ?? []), `${name} ${version} (${license})`]);
  }
  const all = [...holders].map(([text, titles]) => `${titles.sort().join("\n")}\n\n${text}`).sort();
  return `This program holds the following packages of others.\n\n${all.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
