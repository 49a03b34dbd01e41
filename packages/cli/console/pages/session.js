// What is in a session, who wrote it, when and with which client; and all that a person can do to it as a whole.
import { askFirst } from "../dialogs.js";
import { announce, count, el, facts, quoted, time, workButton } from "../dom.js";
import { follow } from "../live.js";
import { again, goTo } from "../place.js";
import { read, write } from "../wire.js";
import { notesOf } from "./notes.js";
import { valuesOf } from "./values.js";

export async function sessionPage(view) {
  const { session: id } = view.params;
  const head = el("div", {});
  const showHead = async () => {
    const info = await read("session_info", { session_id: id }, view.signal);
    head.replaceChildren(
      facts(
        count(info.notes, "note"),
        info.created_at ? ["created ", time(info.created_at)] : "nothing was written to it yet",
        info.last_active_at && ["used ", time(info.last_active_at)],
        info.expires_at ? ["ends ", time(info.expires_at)] : "never ends",
        info.backend,
      ),
    );
    return info;
  };
  const { backend } = await showHead();
  const notes = await notesOf(view, id);
  const values = await valuesOf(view, id);
  follow(view, [`session://${encodeURIComponent(id)}/notes`, ...values.uris], async (uri) => {
    if (uri === undefined || uri.endsWith("/notes")) await Promise.all([notes.refresh(), showHead()]);
    if (uri === undefined || !uri.endsWith("/notes")) await values.refresh();
  });
  return [
    el("p", { class: "path" }, el("a", { href: "#/memory" }, "Memory")),
    el("h1", {}, quoted(id)),
    head,
    el("p", {}, el("a", { href: `#/search?in=${encodeURIComponent(id)}` }, "Search in this session")),
    el("section", {}, el("h2", {}, "Notes"), notes.node),
    el("section", {}, el("h2", {}, "Values"), values.node),
    el("section", { class: "danger-zone" }, el("h2", {}, "The whole session"), actions(id, backend)),
  ];
}

/** What a person should know of copies that no tool reaches. */
const copies = (backend) =>
  backend === "dynamodb" && el("p", {}, "Where the table's recovery is on, it keeps the old text for up to 35 days.");

function actions(id, backend) {
  const reset = async () => {
    const { notes } = await read("session_info", { session_id: id });
    const page = await read("list_values", { session_id: id, limit: 1000 });
    const held = `${count(notes, "note")} and ${page.next_cursor ? "more than " : ""}${count(page.values.length, "value")}`;
    const agreed = await askFirst({
      title: "Reset this session?",
      body: [
        el(
          "p",
          {},
          quoted(id),
          ` holds ${held}. They are cleared at once, and cannot be brought back. The session stays.`,
        ),
        copies(backend),
      ],
      confirm: `Clear ${held}`,
    });
    if (!agreed) return;
    const { cleared } = await write("reset_session", { session_id: id });
    announce(`${count(cleared, "note")} cleared`);
    // The same page, read anew.
    again();
  };
  const remove = async () => {
    const agreed = await askFirst({
      title: "Delete this session?",
      body: [el("p", {}, "All its notes and values go with it, and cannot be brought back."), copies(backend)],
      confirm: "Delete the session",
      typed: id,
    });
    if (!agreed) return;
    await write("delete_session", { session_id: id });
    goTo("#/memory");
  };
  return el("p", { class: "actions" }, workButton("Reset…", reset), workButton("Delete…", remove, { class: "danger" }));
}
