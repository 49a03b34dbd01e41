// Pictures of numbers as SVG: bars over time, and calls on a line for each process. Marks differ in form and not in colour alone; each
// picture stands above a table that says the same. Knows no page and no server.
import { visible } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 960;

function shape(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

const picture = (height, label, ...children) =>
  shape("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label, class: "chart" }, ...children);

const title = (text) => shape("title", {}, text);
const clock = (ms) => new Date(ms).toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hour12: false });

/**
 * Calls over time, those that failed on top with stripes.
 * @param {readonly { at_ms: number, calls: number, failed: number }[]} points the oldest first
 * @param {{ fromMs: number, toMs: number, stepMs: number }} time
 */
export function bars(points, { fromMs, toMs, stepMs }) {
  const height = 140;
  const most = Math.max(1, ...points.map(({ calls }) => calls));
  const x = (ms) => ((ms - fromMs) / (toMs - fromMs)) * WIDTH;
  const width = Math.max(2, (stepMs / (toMs - fromMs)) * WIDTH - 1);
  const y = (n) => (n / most) * (height - 24);
  const drawn = points.map(({ at_ms, calls, failed }) =>
    shape(
      "g",
      {},
      title(`${clock(at_ms)}: ${calls} calls, ${failed} failed`),
      shape("rect", { x: x(at_ms), width, y: height - 20 - y(calls), height: y(calls - failed), class: "bar" }),
      shape("rect", { x: x(at_ms), width, y: height - 20 - y(failed), height: y(failed), class: "bar bad-bar" }),
    ),
  );
  const total = points.reduce((sum, { calls }) => sum + calls, 0);
  return picture(
    height,
    `${total} calls from ${clock(fromMs)} to ${clock(toMs)}, at most ${most} at a time. The table below has the numbers.`,
    ...drawn,
    shape("line", { x1: 0, x2: WIDTH, y1: height - 20, y2: height - 20, class: "axis" }),
    shape("text", { x: 0, y: height - 4 }, clock(fromMs)),
    shape("text", { x: WIDTH, y: height - 4, "text-anchor": "end" }, clock(toMs)),
  );
}

/** A line has its name, above it the marks of its bars, then the bars. */
const LANE = 56;

/**
 * Calls as bars as long as they took, one line for each process. `markOf` names the form: `plain`, `cached`, `replayed` or `failed`.
 * @param {readonly any[]} calls @param {(call: any) => string} markOf
 */
export function lanes(calls, markOf) {
  const labels = [...new Set(calls.map(({ label }) => label))].sort();
  const from = Math.min(...calls.map(({ at }) => at));
  const to = Math.max(...calls.map(({ at, duration_ms }) => at + duration_ms), from + 1);
  const x = (ms) => 4 + ((ms - from) / (to - from)) * (WIDTH - 20);
  const height = labels.length * LANE + 22;
  const lines = labels.map((label, at) =>
    shape(
      "g",
      {},
      shape("text", { x: 0, y: at * LANE + 12 }, visible(label)),
      shape("line", { x1: 0, x2: WIDTH, y1: at * LANE + 42, y2: at * LANE + 42, class: "axis" }),
    ),
  );
  const drawn = calls.map((call) => {
    const { at, duration_ms, label, tool, method, outcome } = call;
    const y = labels.indexOf(label) * LANE + 42;
    const mark = markOf(call);
    const left = x(at);
    const width = Math.max(3, x(at + duration_ms) - left);
    const told = title(`${clock(at)} ${visible(tool || method)}: ${visible(outcome)}, ${duration_ms} ms`);
    return shape(
      "g",
      { class: `call ${mark}` },
      told,
      shape("rect", { x: left, y: y - 7, width, height: 14, rx: 1 }),
      ...FORMS[mark](left, y - 16),
    );
  });
  return picture(
    height,
    `${calls.length} calls of ${labels.length} processes from ${clock(from)} to ${clock(to)}. The list below has each of them.`,
    ...lines,
    ...drawn,
    shape("text", { x: 0, y: height - 4 }, clock(from)),
    shape("text", { x: WIDTH, y: height - 4, "text-anchor": "end" }, clock(to)),
  );
}

/** What stands above a bar, so that its kind is seen without colour. */
const FORMS = {
  plain: () => [],
  cached: (x, y) => [shape("circle", { cx: x + 2, cy: y, r: 5, class: "hollow" })],
  replayed: (x, y) => [
    shape("path", { d: `M${x - 4} ${y + 6} L${x + 2} ${y - 6} L${x + 8} ${y + 6} Z`, class: "hollow" }),
  ],
  failed: (x, y) => [
    shape("path", { d: `M${x - 4} ${y - 6} L${x + 8} ${y + 6} M${x + 8} ${y - 6} L${x - 4} ${y + 6}`, class: "cross" }),
  ],
};

/** What the forms mean. */
export const LEGEND = "▏done  ○ from the cache  △ replayed  ✗ failed or refused";
