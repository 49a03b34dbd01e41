// Where did it say that? Notes, values and keys of one or all sessions; it says how much has been looked at, and goes on when told.
import { announce, count, el, facts, failed, isAbort, quoted, stored, workButton } from "../dom.js";
import { goTo } from "../place.js";
import { read } from "../wire.js";
import { valueAddress } from "./values.js";

/** Requests that are made by themselves while nothing is found. Each looks at about 1 MB. */
const UNASKED = 10;

export function searchPage(view) {
  const query = view.query.get("q") ?? "";
  const session = view.query.get("in") ?? "";
  const input = el("input", {
    type: "search",
    id: "query",
    value: query,
    maxlength: "200",
    "data-focus": query === "",
    autocomplete: "off",
  });
  const within = el("input", {
    type: "text",
    id: "within",
    value: session,
    autocomplete: "off",
    placeholder: "all sessions",
  });
  const submit = (event) => {
    event.preventDefault();
    const asked = new URLSearchParams({ q: input.value, ...(within.value && { in: within.value }) });
    goTo(`#/search?${asked}`);
  };
  const results = el("div", {});
  if (query.trim() !== "") search(view, query, session, results);
  return [
    el("h1", {}, "Search"),
    el(
      "form",
      { class: "search", role: "search", submit },
      el("p", {}, el("label", { for: "query" }, "Text"), input),
      el("p", {}, el("label", { for: "within" }, "In the session"), within),
      el("button", { type: "submit", class: "primary" }, "Search"),
    ),
    el("p", { class: "lead" }, "Upper and lower case are alike. Notes, values and their keys are looked at."),
    results,
  ];
}

function search({ signal }, query, session, box) {
  const list = el("ul", { class: "rows", "aria-label": "Found", hidden: true });
  const told = el("p", { class: "facts" });
  const foot = el("div", {});
  box.append(told, list, foot);
  const seen = { notes: 0, values: 0, apart: 0 };
  let found = 0;
  let cursor;
  const say = (more) => {
    const apart = seen.apart > 0 ? `; ${count(seen.apart, "large value")} by the key alone` : "";
    const looked = `Looked at ${count(seen.notes, "note")} and ${count(seen.values, "value")}${apart}`;
    told.textContent = `${count(found, "hit")}. ${looked}${more ? " so far" : ", which is all"}.`;
  };
  const go = async () => {
    foot.replaceChildren();
    const before = found;
    for (let asked = 0; asked < UNASKED && found === before; asked += 1) {
      const args = { query, limit: 50, ...(session && { in_session: session }), ...(cursor && { cursor }) };
      const page = await read("search_memory", args, signal);
      for (const name of Object.keys(seen)) seen[name] += page.searched[name];
      found += page.hits.length;
      list.append(...page.hits.map((hit) => hitItem(hit, query)));
      list.hidden = found === 0;
      cursor = page.next_cursor;
      say(cursor !== undefined);
      if (cursor === undefined) break;
    }
    announce(told.textContent);
    if (cursor !== undefined) foot.replaceChildren(workButton("Go on", go));
  };
  told.textContent = "Searching…";
  go().catch((error) => {
    if (!isAbort(error)) foot.replaceChildren(failed(error));
  });
}

function hitItem({ session_id, note_id, key, text }, query) {
  const address = key === undefined ? `#/session/${encodeURIComponent(session_id)}` : valueAddress(session_id, key);
  const name = key === undefined ? "note" : ["value ", quoted(key)];
  return el(
    "li",
    { "data-row": true, tabindex: "-1", "data-note": note_id },
    el("a", { href: address, "data-open": true }, quoted(session_id)),
    facts(name),
    marked(text, query),
  );
}

/** The text with what was looked for marked, where it stands there as it was typed. */
function marked(text, query) {
  const box = stored("pre", text, { class: "preview" });
  const at = box.textContent.toLowerCase().indexOf(query.toLowerCase());
  if (at === -1) return box;
  const range = document.createRange();
  range.setStart(box.firstChild, at);
  range.setEnd(box.firstChild, Math.min(at + query.length, box.textContent.length));
  range.surroundContents(el("mark"));
  return box;
}
