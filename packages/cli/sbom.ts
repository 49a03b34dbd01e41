// Writes down what a release consists of (CycloneDX 1.6): the packages of others in the bundle, and those that an installation brings,
// each as the lockfile has it. Knows no builder. Nothing in it changes from one build to the next of the same source.
import { parse } from "yaml";
import type { BundledPackage } from "./notices.ts";

type Versions = Readonly<Record<string, string>>;

/** What is read of pnpm's lockfile, version 9. */
interface Lockfile {
  readonly importers: Readonly<
    Record<string, { readonly dependencies?: Readonly<Record<string, { readonly version: string }>> } | undefined>
  >;
  readonly packages: Readonly<Record<string, { readonly resolution: { readonly integrity?: string } } | undefined>>;
  /** By name and version, and by the packages that it was given as peers. */
  readonly snapshots: Readonly<
    Record<string, { readonly dependencies?: Versions; readonly optionalDependencies?: Versions } | undefined>
  >;
}

interface Component {
  readonly type: "library";
  readonly "bom-ref": string;
  readonly group?: string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly hashes: readonly { readonly alg: "SHA-512"; readonly content: string }[];
  readonly licenses?: readonly { readonly expression: string }[];
}

/** The part of CycloneDX that is written here. */
export interface Sbom {
  readonly bomFormat: "CycloneDX";
  readonly specVersion: "1.6";
  readonly version: 1;
  readonly metadata: { readonly component: Readonly<Record<string, unknown>> };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

export interface SbomOptions {
  /** Of what is released. */
  readonly manifest: { readonly name: string; readonly version: string; readonly license: string };
  /** pnpm's, as text. */
  readonly lockfile: string;
  /** The released package's folder in the workspace. */
  readonly folder: string;
  readonly bundled: readonly BundledPackage[];
}

/** @throws Error for a package that is not in the lockfile: then something else was built than what is locked. */
export function sbomOf({ manifest, lockfile, folder, bundled }: SbomOptions): Sbom {
  const { importers, packages, snapshots } = parse(lockfile) as Lockfile;
  const installed = Object.entries(importers[folder]?.dependencies ?? {}).map(([name, { version }]) =>
    keyOf(name, version),
  );
  const snapshotsOf = new Map<string, string[]>();
  for (const key of Object.keys(snapshots)) snapshotsOf.set(bare(key), [...(snapshotsOf.get(bare(key)) ?? []), key]);
  const needs = (id: string): string[] => {
    const all = (snapshotsOf.get(id) ?? []).flatMap((key) => {
      const { dependencies, optionalDependencies } = snapshots[key] ?? {};
      return Object.entries({ ...dependencies, ...optionalDependencies });
    });
    return [...new Set(all.map(([name, version]) => bare(keyOf(name, version))))];
  };
  const licences = new Map(bundled.map(({ name, version, license }) => [`${name}@${version}`, license]));
  const brought = new Set(installed.map(bare));
  // What is added while the set is walked is walked, too.
  for (const id of brought) for (const other of needs(id)) brought.add(other);
  const ids = new Set([...licences.keys(), ...brought]);
  const root = purlOf(`${manifest.name}@${manifest.version}`);
  const sorted = [...ids].sort();
  const edges = sorted.map((id) => ({
    ref: purlOf(id),
    dependsOn: needs(id)
      .filter((other) => ids.has(other))
      .map(purlOf)
      .sort(),
  }));
  const direct = [...licences.keys(), ...installed.map(bare)].map(purlOf).sort();
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        type: "application",
        "bom-ref": root,
        ...namesOf(`${manifest.name}@${manifest.version}`),
        purl: root,
        licenses: [{ expression: manifest.license }],
      },
    },
    components: sorted.map((id) => {
      const integrity = packages[id]?.resolution.integrity;
      if (integrity === undefined) throw new Error(`${id} is not in the lockfile.`);
      const license = licences.get(id);
      return {
        type: "library",
        "bom-ref": purlOf(id),
        ...namesOf(id),
        purl: purlOf(id),
        hashes: [{ alg: "SHA-512", content: hashOf(integrity) }],
        ...(license !== undefined && { licenses: [{ expression: license }] }),
      };
    }),
    dependencies: [{ ref: root, dependsOn: [...new Set(direct)] }, ...edges],
  };
}

/** An alias names another package in its version. */
const keyOf = (name: string, version: string): string => (/^@?[^@(]+@/.test(version) ? version : `${name}@${version}`);
/** Without the packages that were given as peers. */
const bare = (key: string): string => key.split("(")[0] ?? key;

function namesOf(id: string): { group?: string; name: string; version: string } {
  const at = id.lastIndexOf("@");
  const [name = "", group] = id.slice(0, at).split("/").reverse();
  return { ...(group !== undefined && { group }), name, version: id.slice(at + 1) };
}

function purlOf(id: string): string {
  const { group, name, version } = namesOf(id);
  return `pkg:npm/${group === undefined ? "" : `${encodeURIComponent(group)}/`}${name}@${version}`;
}

const hashOf = (integrity: string): string => Buffer.from(integrity.replace(/^sha512-/, ""), "base64").toString("hex");
