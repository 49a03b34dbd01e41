// Who called what, how long did it take, how did it end? For the operator: records of calls from the journal, and never their content.
import { LEGEND, lanes } from "../charts.js";
import { bytes, count, el, facts, quoted, snippet, time, visible } from "../dom.js";
import { growingList } from "../list.js";
import { follow, refreshRows } from "../live.js";
import { goTo } from "../place.js";
import { ask } from "../wire.js";

const FILTERS = /** @type {const} */ ([
  ["tool", "Tool"],
  ["outcome", "Outcome"],
  ["client", "Client"],
  ["principal", "Who"],
  ["slower_than_ms", "Slower than, ms"],
]);
const OWN = "own";
const OWN_CLIENT = "stateful-mcp-console ";
/** Pages that are read in a row where all their calls are this console's own. */
const UNASKED = 5;
/** Ends that are no errors. */
const GOOD = new Set(["ok", "replayed", "task", "input_required"]);

const markOf = ({ outcome, cached }) =>
  outcome === "replayed" ? "replayed" : !GOOD.has(outcome) ? "failed" : cached === true ? "cached" : "plain";
const SIGNS = { plain: "✓", cached: "○ cached,", replayed: "△", failed: "✗" };
const ended = (call) =>
  el("span", { class: markOf(call) === "failed" ? "bad" : "good" }, `${SIGNS[markOf(call)]} ${visible(call.outcome)}`);

const get = async (query, signal) => (await ask(`/console/api/calls?${query}`, { signal })).json();

export const journalIsOff = () =>
  el(
    "p",
    { class: "empty" },
    "This process keeps no journal, and none of another is here. ",
    el("code", {}, "STATEFUL_MCP_JOURNAL=calls"),
    " lets every process leave a record of its calls.",
  );

const callRow = (call) =>
  el(
    "li",
    {},
    el("a", { href: `#/calls/${call.request_id_prefix}`, "data-open": true }, quoted(call.tool || call.method)),
    facts(
      ended(call),
      `${call.duration_ms} ms`,
      time(new Date(call.at).toISOString()),
      quoted(call.principal_name || call.principal),
      call.client && quoted(call.client),
      quoted(call.label),
    ),
  );

/** One page of calls from a cursor on, and on past pages that hold nothing but this console's own, which are left out. */
async function readCalls(query, given, withOwn, signal) {
  let cursor = given;
  for (let page = 1; ; page += 1) {
    const whole = new URLSearchParams([...query, ...(cursor ? [["cursor", cursor]] : [])]);
    const { journal, calls, next_cursor: next } = await get(whole, signal);
    const rows = withOwn ? calls : calls.filter(({ client }) => !client.startsWith(OWN_CLIENT));
    if (rows.length > 0 || next === undefined || page === UNASKED) return { journal, rows, next };
    cursor = next;
  }
}

/** The newest calls for a page about something else; they appear by themselves. Undefined where none are recorded. */
export async function newestCalls(view, count) {
  const box = el("div", {});
  const waits = el("p", { class: "empty" }, "Waiting for the first call. It appears here by itself.");
  const list = el("ul", { class: "rows", "aria-label": "Newest calls" });
  const all = [list, el("p", {}, el("a", { href: "#/calls" }, "All calls"))];
  let mode = "";
  const show = async () => {
    const { journal, rows } = await readCalls([["limit", "100"]], undefined, false, view.signal);
    mode = rows.length > 0 ? "calls" : journal;
    if (rows.length === 0) return box.replaceChildren(waits);
    refreshRows(
      list,
      rows.slice(0, count).map((call) => [JSON.stringify(call), callRow(call)]),
    );
    if (list.parentElement !== box) box.replaceChildren(...all);
  };
  await show();
  if (mode !== "calls") return undefined;
  follow(view, [], show);
  return box;
}

export async function callsPage(view) {
  const asked = new URLSearchParams([...view.query].filter(([name, value]) => name !== OWN && value !== ""));
  const withOwn = view.query.get(OWN) === "on";
  let mode = "";
  /** @type {any[]} */
  let newest = [];
  const chart = el("div", {});
  const list = await growingList({
    label: "Calls",
    noun: "call",
    empty: el(
      "p",
      {},
      asked.size > 0
        ? "No such calls."
        : "No calls yet. They appear within a second on this machine, and within a minute on DynamoDB.",
    ),
    id: (call) => `${call.request_id_prefix} ${call.at}`,
    read: async (given) => {
      const { journal, rows, next } = await readCalls([...asked, ["limit", "100"]], given, withOwn, view.signal);
      mode = journal;
      if (given === undefined) newest = rows;
      return { rows, next };
    },
    render: callRow,
  });
  const draw = () =>
    chart.replaceChildren(...(newest.length > 0 ? [lanes(newest, markOf), el("p", { class: "facts" }, LEGEND)] : []));
  draw();
  // The picture stands still as well: it is drawn anew with the page.
  follow(view, [], () => list.refresh());
  const form = el(
    "form",
    {
      class: "filters",
      submit: (event) => {
        event.preventDefault();
        const data = new FormData(form);
        const query = new URLSearchParams(
          [...FILTERS, [OWN]].map(([name]) => [name, String(data.get(name) ?? "")]).filter(([, value]) => value !== ""),
        );
        goTo(`#/calls?${query}`);
      },
    },
    FILTERS.map(([name, label]) => {
      const field = el("input", { name, id: `filter-${name}`, autocomplete: "off", value: asked.get(name) ?? "" });
      if (name === "outcome") field.placeholder = "failed, replayed, …";
      if (name === "slower_than_ms") field.inputMode = "numeric";
      return el("p", {}, el("label", { for: `filter-${name}` }, label), field);
    }),
    el(
      "p",
      {},
      el(
        "label",
        { class: "check" },
        el("input", { type: "checkbox", name: OWN, checked: withOwn }),
        " Also this console's",
      ),
    ),
    el("button", { type: "submit", class: "primary" }, "Show"),
  );
  return [el("h1", {}, "Calls"), form, mode === "off" && newest.length === 0 ? journalIsOff() : chart, list.node];
}

export async function callPage(view) {
  const { call: id } = view.params;
  const { calls } = await get(new URLSearchParams({ request_id: id, limit: "10" }), view.signal);
  const path = el("p", { class: "path" }, el("a", { href: "#/calls" }, "Calls"));
  if (calls.length === 0)
    return [path, el("h1", {}, "There is no record of this call"), el("p", {}, "Records are kept for 24 hours.")];
  return [path, ...calls.flatMap(oneCall)];
}

/** Of those that are known: an error has no result, and not every request has arguments. */
function sizes(given, result) {
  const told = [given > 0 && `arguments ${bytes(given)}`, result > 0 && `result ${bytes(result)}`].filter(Boolean);
  return told.length > 0 ? told.join(", ") : undefined;
}

function oneCall(call) {
  const {
    tool,
    method,
    at,
    duration_ms,
    client,
    session,
    principal,
    principal_name,
    cached,
    table_requests,
    table_units,
    argument_bytes,
    result_bytes,
  } = call;
  const row = (term, value) => value !== undefined && value !== "" && [el("dt", {}, term), el("dd", {}, value)];
  const iso = new Date(at).toISOString();
  return [
    el("h1", {}, quoted(tool || method)),
    el(
      "dl",
      { class: "pairs" },
      row("How it ended", ended(call)),
      row("Took", `${duration_ms} ms`),
      row("When", el("time", { datetime: iso }, `${new Date(at).toLocaleString()} (${iso})`)),
      row("Method", quoted(method)),
      row("Who", [quoted(principal_name), " ", el("code", {}, quoted(principal))]),
      row("Client", client && quoted(client)),
      row("Session", session && quoted(session)),
      row("Cache", cached === undefined ? undefined : cached ? "the result was there" : "the result was computed"),
      row("Table", table_requests > 0 ? `${count(table_requests, "request")}, ${table_units} units` : undefined),
      row("Sizes", sizes(argument_bytes, result_bytes)),
      row("Came by", [call.transport, call.era].filter(Boolean).join(", ")),
      row("Process", [quoted(call.label), " ", el("code", {}, quoted(call.process))]),
      row("Request", el("code", {}, `${call.request_id_prefix}…`)),
      row("Trace", call.trace_id && el("code", {}, quoted(call.trace_id))),
    ),
    snippet(
      "Its lines in CloudWatch Logs Insights",
      `fields @timestamp, @message\n| filter replace(request_id, "-", "") like /^${call.request_id_prefix}/\n| sort @timestamp`,
    ),
  ];
}
