// What was meant by a name that is no setting. Knows no setting itself.
import { AppError } from "../errors.ts";

/** More changes than these make another name of it. */
const CHANGES_MAX = 6;

/** The name that a mistyped one is nearest to; undefined when it is like none of them. */
function nearestName(given: string, names: readonly string[]): string | undefined {
  const [nearest] = names
    .map((name) => ({ name, distance: editDistance(given, name) }))
    .sort((a, b) => a.distance - b.distance);
  return nearest && nearest.distance <= CHANGES_MAX ? nearest.name : undefined;
}

/** How many single-character changes turn one text into the other. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let i = 1; i <= from.length; i++) {
    const above = row;
    row = [i];
    for (let j = 1; j <= to.length; j++) {
      const change = above[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      row[j] = Math.min(change, above[j]! + 1, row[j - 1]! + 1);
    }
  }
  return row[to.length]!;
}

/** Says that a name is no setting, and which one may be meant. */
export function unknownSetting(name: string, known: readonly string[]): AppError {
  const nearest = nearestName(name, known);
  const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
  return new AppError("invalid_input", `${name} is not a setting of this version${hint}`);
}
