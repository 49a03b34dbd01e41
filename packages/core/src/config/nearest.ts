// What was meant by a name that is none. Knows no setting.

/** More changes than these make another name of it. */
const CHANGES_MAX = 6;

/** The name that a mistyped one is nearest to; undefined when it is like none of them. */
export function nearestName(given: string, names: readonly string[]): string | undefined {
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
