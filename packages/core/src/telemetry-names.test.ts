// The names that telemetry uses are those that docs/telemetry.md lists, with the units it gives.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ATTRIBUTE, METRIC, METRIC_ATTRIBUTE } from "./telemetry-names.ts";

const page = readFileSync(new URL("../../../docs/telemetry.md", import.meta.url), "utf8");

/** The cells of the table whose first column has this head. */
function rows(head: string): string[][] {
  const lines = page.split("\n");
  const begin = lines.findIndex((line) => line.startsWith(`| ${head} |`));
  const rest = lines.slice(begin + 2);
  const end = rest.findIndex((line) => !line.startsWith("|"));
  return rest.slice(0, end).map((line) => line.split("|").map((cell) => cell.trim()));
}
const quoted = (text = "") => [...text.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);

test("attributes", () => {
  const listed = rows("attribute").flatMap(([, names]) => quoted(names));
  expect(listed.toSorted()).toEqual(Object.values(ATTRIBUTE).toSorted());
});

test("metrics", () => {
  const listed = rows("metric").map(([, name, unit]) => [...quoted(name), ...quoted(unit)]);
  expect(listed.toSorted()).toEqual(
    Object.values(METRIC)
      .map(([name, unit]) => [name, unit])
      .toSorted(),
  );
});

test("metrics have attributes that are listed, or are their own", () => {
  const known = new Set<string>([...Object.values(ATTRIBUTE), ...Object.values(METRIC_ATTRIBUTE), "hit", "miss"]);
  const unknown = rows("metric").flatMap(([, , , attributes]) => quoted(attributes).filter((one) => !known.has(one)));
  expect(unknown).toEqual([]);
});
