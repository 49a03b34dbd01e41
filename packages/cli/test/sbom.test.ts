// What a release says it consists of, from the workspace's own lockfile and from small ones.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { sbomOf } from "../sbom.ts";

const LOCKFILE = readFileSync(fileURLToPath(new URL("../../../pnpm-lock.yaml", import.meta.url)), "utf8");
const manifest = { name: "stateful-mcp", version: "0.1.0", license: "Apache-2.0" };
const bundle = (id: string) => {
  const at = id.lastIndexOf("@");
  return { folder: "", name: id.slice(0, at), version: id.slice(at + 1), license: "MIT" };
};
/** SHA-512 of nothing. */
const INTEGRITY = "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
const SMALL = `
importers:
  packages/cli:
    dependencies:
      engine: { specifier: 1.0.0, version: '1.0.0(helper@2.0.0)' }
    devDependencies:
      tester: { specifier: 1.0.0, version: 1.0.0 }
packages:
  engine@1.0.0: { resolution: { integrity: ${INTEGRITY} } }
  helper@2.0.0: { resolution: { integrity: ${INTEGRITY} } }
  '@scope/native@3.0.0': { resolution: { integrity: ${INTEGRITY} } }
  bundled@4.0.0: { resolution: { integrity: ${INTEGRITY} } }
  left-out@5.0.0: { resolution: { integrity: ${INTEGRITY} } }
  tester@1.0.0: { resolution: { integrity: ${INTEGRITY} } }
snapshots:
  engine@1.0.0(helper@2.0.0):
    dependencies: { helper: 2.0.0 }
  helper@2.0.0:
    optionalDependencies: { other-name: '@scope/native@3.0.0' }
  '@scope/native@3.0.0': {}
  bundled@4.0.0:
    dependencies: { left-out: 5.0.0, helper: 2.0.0 }
  left-out@5.0.0: {}
  tester@1.0.0: {}
`;

describe("the list of a release's parts", () => {
  const small = () => sbomOf({ manifest, lockfile: SMALL, folder: "packages/cli", bundled: [bundle("bundled@4.0.0")] });

  it("holds what is bundled and what an installation brings, and nothing that only builds or tests", () => {
    expect(small().components.map(({ purl }) => purl)).toEqual([
      "pkg:npm/%40scope/native@3.0.0",
      "pkg:npm/bundled@4.0.0",
      "pkg:npm/engine@1.0.0",
      "pkg:npm/helper@2.0.0",
    ]);
  });

  it("says which part needs which, of those that are there", () => {
    expect(small().dependencies).toEqual([
      { ref: "pkg:npm/stateful-mcp@0.1.0", dependsOn: ["pkg:npm/bundled@4.0.0", "pkg:npm/engine@1.0.0"] },
      { ref: "pkg:npm/%40scope/native@3.0.0", dependsOn: [] },
      { ref: "pkg:npm/bundled@4.0.0", dependsOn: ["pkg:npm/helper@2.0.0"] },
      { ref: "pkg:npm/engine@1.0.0", dependsOn: ["pkg:npm/helper@2.0.0"] },
      { ref: "pkg:npm/helper@2.0.0", dependsOn: ["pkg:npm/%40scope/native@3.0.0"] },
    ]);
  });

  it("names each part as the lockfile has it, with the hash of what was fetched", () => {
    const [native, bundled] = small().components;
    expect(native).toMatchObject({ type: "library", group: "@scope", name: "native", version: "3.0.0" });
    expect(bundled).toMatchObject({ name: "bundled", licenses: [{ expression: "MIT" }] });
    expect(bundled?.hashes).toEqual([
      { alg: "SHA-512", content: expect.stringMatching(/^cf83e1357eef[0-9a-f]{116}$/) },
    ]);
  });

  it("cannot be made of a bundle that holds what is not locked", () => {
    const bundled = [bundle("bundled@4.0.1")];
    expect(() => sbomOf({ manifest, lockfile: SMALL, folder: "packages/cli", bundled })).toThrow(
      "bundled@4.0.1 is not in the lockfile.",
    );
  });

  it("is made of the workspace's lockfile: the engine with its native parts, and every reference leads somewhere", () => {
    const { components, dependencies, metadata } = sbomOf({
      manifest,
      lockfile: LOCKFILE,
      folder: "packages/cli",
      bundled: [],
    });
    const names = components.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["dynalite", "level", "classic-level"]));
    expect(names).not.toContain("vitest");
    const refs = new Set([metadata.component["bom-ref"], ...components.map((one) => one["bom-ref"])]);
    expect(refs.size).toBe(components.length + 1);
    for (const { ref, dependsOn } of dependencies) for (const one of [ref, ...dependsOn]) expect(refs).toContain(one);
    for (const { hashes } of components) expect(hashes[0]?.content).toMatch(/^[0-9a-f]{128}$/);
  });
});
