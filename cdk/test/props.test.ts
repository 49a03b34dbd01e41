// What may be given to the constructs explains itself: each property has a comment, and each that may be left out says what is then.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { REPOSITORY } from "./synthesis.ts";

/** All that a user of the package fills in; `Settings` has its own table in docs/deploy.md. */
const FILLED_IN = /^export interface (\w+Props|StateTableNames|ItemTable|Signal)\b[^{]*\{\n([\s\S]*?)^\}/gm;
const PROPERTY = /( {2}\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)? {2}readonly (\w+)(\??):/g;

interface Property {
  readonly name: string;
  readonly comment: string;
  readonly optional: boolean;
}

const propertiesIn = (source: string): Property[] =>
  [...source.matchAll(FILLED_IN)].flatMap(([, of, body = ""]) =>
    [...body.matchAll(PROPERTY)].map(([, comment = "", name, mark]) => ({
      name: `${of}.${name}`,
      comment,
      optional: mark === "?",
    })),
  );

const silent = (properties: readonly Property[]) =>
  properties
    .filter(({ comment, optional }) => comment === "" || (optional && !/@default \S/.test(comment)))
    .map(({ name }) => name);

const all = globSync("cdk/src/**/*.ts", { cwd: REPOSITORY }).flatMap((file) =>
  propertiesIn(readFileSync(join(REPOSITORY, file), "utf8")),
);

it("finds the properties", () => {
  const names = all.map(({ name }) => name);
  expect(names.length).toBeGreaterThan(40);
  for (const known of ["LambdaMcpServerProps.entry", "AccessProps.tokens", "StateTableProps.blobs", "ItemTable.write"])
    expect(names).toContain(known);
});

it("has a comment on each property, with @default where it may be left out", () => {
  expect(silent(all)).toEqual([]);
});

it("would notice one without", () => {
  const source = `export interface TryProps {
  /** What it is. */
  readonly told: string;
  readonly bare: string;
  /** What it is. */
  readonly without?: string;
  /**
   * What it is.
   * @default nothing
   */
  readonly whole?: string;
}
`;
  expect(silent(propertiesIn(source))).toEqual(["TryProps.bare", "TryProps.without"]);
});
