// Does it run, how do I connect, what happens right now?
import { el, facts, failed, quoted, snippet, time } from "../dom.js";
import { follow, refreshRows } from "../live.js";
import { about, ask, read, tools } from "../wire.js";
import { newestCalls } from "./calls.js";

const SHOWN = 5;
const CALLS_SHOWN = 20;

export async function startPage(view) {
  const { name, version, access, location: place, protocol, mode, operator } = about();
  const endpoint = `${location.origin}/mcp`;
  const ready = await ask("/readyz", { signal: view.signal }).then(
    () => el("span", { class: "good" }, "✓ ready"),
    (error) => el("span", { class: "bad" }, `✗ not ready: ${error.message}`),
  );
  const offered = await tools();
  const calls = operator && (await newestCalls(view, CALLS_SHOWN).catch(failed));
  const row = (term, value) => value && [el("dt", {}, term), el("dd", {}, value)];
  const lists = offered.some((tool) => tool.name === "list_sessions");
  return [
    el("h1", {}, `${name} is running`),
    el(
      "dl",
      { class: "pairs" },
      row("State", ready),
      row("Endpoint", el("code", {}, endpoint)),
      row("Who may call", access),
      row("Data", place && el("code", {}, place)),
      row("Version", `${version}, MCP ${protocol.join(" and ")}`),
      row("Tools", el("a", { href: "#/tools" }, `${offered.length} tools`)),
    ),
    lists && el("section", {}, el("h2", {}, "Used last"), await recent(view, calls)),
    el("section", {}, el("h2", {}, "Connect a client"), ...connect(name, endpoint, mode)),
    calls && el("section", {}, el("h2", {}, "Newest calls"), calls),
  ];
}

async function recent(view, calls) {
  const box = el("div", {});
  const list = el("ul", { class: "rows", "aria-label": "Sessions used last" });
  const all = [list, el("p", {}, el("a", { href: "#/memory" }, "All sessions"))];
  const show = async () => {
    const { sessions } = await read("list_sessions", { limit: SHOWN }, view.signal);
    if (sessions.length === 0) {
      box.replaceChildren(
        el(
          "p",
          { class: "empty" },
          `${calls ? "Nothing is stored yet." : "Waiting for the first call."} What a client notes or stores appears here by itself.`,
        ),
      );
      return;
    }
    const rows = sessions.map((session) => [
      session.session_id,
      el(
        "li",
        { "data-row": true, tabindex: "-1" },
        el(
          "a",
          { href: `#/session/${encodeURIComponent(session.session_id)}`, "data-open": true },
          quoted(session.session_id),
        ),
        facts(["used ", time(session.last_active_at)], ["created ", time(session.created_at)]),
      ),
    ]);
    refreshRows(list, rows);
    if (list.parentElement !== box) box.replaceChildren(...all);
  };
  await show().catch((error) => box.replaceChildren(failed(error)));
  follow(view, ["session://sessions"], show);
  return box;
}

function connect(name, endpoint, mode) {
  const short = name === "stateful-mcp" ? "memory" : name;
  const asks = mode !== "local";
  const header = asks ? ' --header "Authorization: Bearer <token>"' : "";
  const entry = { type: "http", url: endpoint, ...(asks && { headers: { Authorization: "Bearer <token>" } }) };
  return [
    snippet("Claude Code", `claude mcp add --transport http ${short} ${endpoint}${header}`),
    snippet(
      "Cursor and other clients with a JSON configuration",
      JSON.stringify({ mcpServers: { [short]: entry } }, null, 2),
    ),
    snippet("VS Code", JSON.stringify({ servers: { [short]: entry } }, null, 2)),
    snippet("Try it in the MCP Inspector", `npx stateful-mcp inspect ${endpoint}`),
  ];
}
