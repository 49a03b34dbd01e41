// Two texts that exclude each other, theirs and mine, line by line. Decides nothing and writes nothing.
import { button, el, visible } from "./dom.js";

/** More lines than this on one side are shown without a comparison. */
const COMPARED_LINES = 1_000;

/**
 * What stands there now against what a person wanted to write. Nothing is written until they choose.
 * @param {{ theirs: string, mine: string, by?: any, keepTheirs: () => void, keepMine: () => Promise<unknown> }} sides
 */
export function conflictView({ theirs, mine, by, keepTheirs, keepMine }) {
  const [left, right] = compared(theirs.split("\n"), mine.split("\n"));
  const side = (name, lines, mark) =>
    el(
      "section",
      { "aria-label": name },
      el("p", {}, el("strong", {}, name)),
      el(
        "pre",
        { tabindex: "0" },
        lines.map(({ text, differs }) =>
          el("span", { class: differs ? "differs" : "same" }, `${differs ? mark : " "} ${visible(text)}\n`),
        ),
      ),
    );
  const box = el(
    "div",
    { class: "conflict", role: "alertdialog", "aria-label": "Another client has changed this" },
    el(
      "p",
      {},
      el("strong", {}, "This was changed while you edited it. "),
      "Nothing has been overwritten.",
      by && [" Theirs: ", by],
    ),
    el("div", { class: "sides" }, side("Theirs, as it stands now", left, "−"), side("Mine, not saved", right, "+")),
    el(
      "p",
      { class: "actions" },
      button("Keep theirs", keepTheirs),
      button("Keep mine", keepMine, { class: "primary" }),
    ),
  );
  return box;
}

/** Both sides' lines, each marked if the other side lacks it. @param {string[]} a @param {string[]} b */
export function compared(a, b) {
  const plain = (lines) => lines.map((text) => ({ text, differs: true }));
  if (a.length > COMPARED_LINES || b.length > COMPARED_LINES) return [plain(a), plain(b)];
  // How many lines a[i…] and b[j…] have in common at most.
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  const at = (i, j) => common[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const row = /** @type {Uint16Array} */ (common[i]);
      row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  const [left, right] = [plain(a), plain(b)];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [one, other] = [left[i], right[j]];
    if (one && other && a[i] === b[j]) {
      one.differs = false;
      other.differs = false;
      i += 1;
      j += 1;
    } else if (at(i + 1, j) >= at(i, j + 1)) i += 1;
    else j += 1;
  }
  return [left, right];
}
