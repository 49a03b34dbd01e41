// The values of a session, in the order of their keys, each with the beginning of its JSON.
import { author, bytes, el, facts, quoted, stored, time } from "../dom.js";
import { growingList } from "../list.js";
import { read } from "../wire.js";

const PAGE = 25;
/** One stream watches 32 resources, and one of them is the notes. */
const WATCHED = 31;

export const valueAddress = (session, key) =>
  `#/session/${encodeURIComponent(session)}/value/${encodeURIComponent(key)}`;

export async function valuesOf(view, session) {
  const first = [];
  const list = await growingList({
    label: "Values",
    noun: "value",
    gone: "This value was deleted elsewhere.",
    empty: el("p", {}, "No values."),
    id: (value) => value.key,
    same: (a, b) => a.version === b.version,
    read: async (cursor) => {
      const args = { session_id: session, details: true, limit: PAGE, ...(cursor && { cursor }) };
      const page = await read("list_values", args, view.signal);
      const rows = page.values.map((value, at) => ({ ...value, ...page.details[at] }));
      if (cursor === undefined && first.length === 0) first.push(...rows.slice(0, WATCHED));
      return { rows, next: page.next_cursor };
    },
    render: (value) =>
      el(
        "li",
        {},
        el("a", { href: valueAddress(session, value.key), "data-open": true, "data-edit": true }, quoted(value.key)),
        stored("pre", value.preview === "" ? "(kept apart because of its size)" : value.preview, { class: "preview" }),
        facts(
          bytes(value.bytes),
          `version ${value.version}`,
          value.updated_at && time(value.updated_at),
          author(value.principal, value.client),
        ),
      ),
  });
  const add = el(
    "p",
    {},
    el("a", { class: "button", href: `#/session/${encodeURIComponent(session)}/value` }, "New value"),
  );
  return {
    node: el("div", {}, add, list.node),
    refresh: () => list.refresh(),
    /** What tells of changes of the first ones. */
    uris: first.map(({ key }) => `session://${encodeURIComponent(session)}/values/${encodeURIComponent(key)}`),
  };
}
