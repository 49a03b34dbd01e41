// What does my agent remember? The sessions, the latest used first.
import { el, facts, quoted, time } from "../dom.js";
import { growingList } from "../list.js";
import { follow } from "../live.js";
import { IN_TAB } from "../place.js";
import { read } from "../wire.js";

export async function memoryPage(view) {
  const list = await growingList({
    label: "Sessions",
    noun: "session",
    gone: "This session was deleted elsewhere, or has ended.",
    empty: [
      el("p", {}, "Nothing is stored yet. A session appears here when a client keeps its first note or value."),
      IN_TAB && el("p", {}, el("a", { href: "#/" }, "How to connect a client")),
    ],
    id: (session) => session.session_id,
    same: (a, b) => a.last_active_at === b.last_active_at && a.expires_at === b.expires_at,
    read: async (cursor) => {
      const page = await read("list_sessions", { limit: 50, ...(cursor && { cursor }) }, view.signal);
      return { rows: page.sessions, next: page.next_cursor };
    },
    render: (session) =>
      el(
        "li",
        {},
        el(
          "a",
          { href: `#/session/${encodeURIComponent(session.session_id)}`, "data-open": true },
          quoted(session.session_id),
        ),
        facts(
          ["used ", time(session.last_active_at)],
          ["created ", time(session.created_at)],
          session.expires_at ? ["ends ", time(session.expires_at)] : "never ends",
        ),
      ),
  });
  follow(view, ["session://sessions"], () => list.refresh());
  return [
    el("h1", {}, "Memory"),
    el("p", { class: "lead" }, "Your sessions, the latest used first (to within an hour)."),
    list.node,
  ];
}
