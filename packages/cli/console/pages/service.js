// Is it well, and which processes are there? For the operator: counts of all processes from the journal, and never content.
import { bars } from "../charts.js";
import { count, el, facts, quoted, time } from "../dom.js";
import { follow } from "../live.js";
import { ask } from "../wire.js";
import { journalIsOff } from "./calls.js";

const WINDOWS = /** @type {const} */ ([
  ["1h", "1 hour"],
  ["24h", "24 hours"],
  ["7d", "7 days"],
]);
const share = (part, all) =>
  all === 0 ? "–" : `${((part / all) * 100).toFixed(part > 0 && part / all < 0.01 ? 2 : 0)} %`;

/** A table that scrolls by itself where it is wider than the page. */
const table = (label, heads, rows) =>
  el(
    "div",
    { class: "wide", role: "region", "aria-label": label, tabindex: "0" },
    el(
      "table",
      {},
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          heads.map((head) => el("th", { scope: "col" }, head)),
        ),
      ),
      el(
        "tbody",
        {},
        rows.map(([first, ...others]) =>
          el(
            "tr",
            {},
            el("th", { scope: "row" }, first),
            others.map((cell) => el("td", {}, cell)),
          ),
        ),
      ),
    ),
  );

export async function servicePage(view) {
  const chosen = WINDOWS.find(([name]) => name === view.query.get("window"))?.[0] ?? "1h";
  const box = el("div", {});
  const show = async () => {
    const service = await (await ask(`/console/api/service?window=${chosen}`, { signal: view.signal })).json();
    box.replaceChildren(...serviceParts(service, chosen));
  };
  await show();
  follow(view, [], show);
  return [
    el("h1", {}, "Service"),
    el(
      "p",
      { class: "actions" },
      WINDOWS.map(([name, label]) =>
        el(
          "a",
          { class: "button", href: `#/service?window=${name}`, "aria-current": name === chosen && "true" },
          label,
        ),
      ),
    ),
    box,
  ];
}

function serviceParts({ journal, rows, points, refused, table: used, dropped, from_ms, to_ms }, chosen) {
  if (rows.length === 0 && journal === "off") return [journalIsOff()];
  const calls = rows.reduce((sum, row) => sum + row.calls, 0);
  const failed = rows.reduce((sum, row) => sum + row.failed, 0);
  const turnedAway = Object.entries(refused).filter(([, n]) => n > 0);
  const stepMs = chosen === "1h" ? 60_000 : 3_600_000;
  return [
    facts(
      count(calls, "request"),
      `${share(failed, calls)} failed`,
      used.requests > 0 &&
        `${count(used.requests, "request")} of the table, ${count(used.attempts - used.requests, "retry", "retries")}, ${used.units.toFixed(0)} units`,
      ...turnedAway.map(([status, n]) => `${n} turned away with ${status}`),
      dropped > 0 && `${count(dropped, "record")} not kept`,
    ),
    points.length > 0
      ? bars(points, { fromMs: from_ms, toMs: to_ms, stepMs })
      : el("p", { class: "empty" }, "Nothing in this time. A process leaves its counts after a minute."),
    rows.length > 0 &&
      table(
        "By tool",
        ["Tool or method", "Requests", "Failed", "p50", "p95", "p99", "From cache", "How they ended"],
        rows.map((row) => [
          el(
            "a",
            { href: `#/calls?${new URLSearchParams(row.tool ? { tool: row.tool } : { method: row.method })}` },
            quoted(row.tool || row.method),
          ),
          row.calls.toLocaleString("en"),
          share(row.failed, row.calls),
          ...[row.p50_ms, row.p95_ms, row.p99_ms].map((ms) => `≤ ${ms} ms`),
          share(row.hits, row.hits + row.misses),
          Object.entries(row.outcomes)
            .map(([outcome, n]) => `${outcome} ${n}`)
            .join(", "),
        ]),
      ),
    points.length > 0 &&
      el(
        "details",
        {},
        el("summary", {}, "The picture as a table"),
        table(
          "Over time",
          ["From", "Requests", "Failed", "p99"],
          points.map((point) => [
            new Date(point.at_ms).toLocaleString(),
            point.calls,
            point.failed,
            `≤ ${point.p99_ms} ms`,
          ]),
        ),
      ),
  ].filter(Boolean);
}

const SILENT_MS = 120_000;

export async function fleetPage(view) {
  const box = el("div", {});
  const show = async () => {
    const { journal, now_ms, processes } = await (await ask("/console/api/fleet", { signal: view.signal })).json();
    if (processes.length === 0)
      return box.replaceChildren(
        journal === "off"
          ? journalIsOff()
          : el(
              "p",
              { class: "empty" },
              "No process has left anything in the last hour. It does so a minute after a request.",
            ),
      );
    box.replaceChildren(
      table(
        "Processes",
        ["Process", "State", "Last wrote", "Version", "Started", "Requests then", "Streams", "Busy", "Memory"],
        processes.map((one) => [
          quoted(one.label),
          one.state !== "running"
            ? `◼ ${one.state}`
            : now_ms - one.seen_ms > SILENT_MS
              ? "? no requests, or gone"
              : "✓ running",
          time(new Date(one.seen_ms).toISOString()),
          quoted(one.version),
          time(new Date(one.started_ms).toISOString()),
          one.calls.toLocaleString("en"),
          one.streams,
          `${one.busy_percent} %`,
          `${one.rss_mb} MB`,
        ]),
      ),
    );
  };
  await show();
  follow(view, [], show);
  return [
    el("h1", {}, "Fleet"),
    el("p", { class: "lead" }, "The processes that wrote in the last hour. One without requests writes nothing."),
    box,
  ];
}
