// The notes of a session: the newest first, with who wrote each; to add one, to correct one and to delete one.
import { conflictView } from "../conflict.js";
import { offerUndo } from "../dialogs.js";
import { announce, author, button, el, facts, longText, time, workButton } from "../dom.js";
import { growingList } from "../list.js";
import { Refused, read, write } from "../wire.js";

const PAGE = 50;
/** So many pages are looked through for a note that another client has changed. */
const LOOKED_PAGES = 20;

const pageOf = async (session, cursor, signal) => {
  const args = { session_id: session, order: "newest", details: true, limit: PAGE, ...(cursor && { cursor }) };
  const page = await read("get_notes", args, signal);
  return { rows: page.notes.map((text, at) => ({ text, ...page.details[at] })), next: page.next_cursor };
};

export async function notesOf(view, session) {
  const list = await growingList({
    label: "Notes",
    noun: "note",
    gone: "This note was deleted elsewhere.",
    empty: el("p", {}, "No notes."),
    id: (note) => note.note_id,
    same: (a, b) => a.version === b.version,
    read: (cursor) => pageOf(session, cursor, view.signal),
    render: (note, again) => noteItem(session, note, again),
  });
  return { node: el("div", {}, addForm(session, list), list.node), refresh: () => list.refresh() };
}

function addForm(session, list) {
  const text = el("textarea", { id: "new-note", rows: "2", required: true });
  const send = workButton(
    "Add note",
    async () => {
      if (text.value === "") return text.focus();
      await write("add_note", { session_id: session, note: text.value });
      text.value = "";
      const { rows } = await pageOf(session);
      // Notes of others that came meanwhile wait as they always do.
      if (rows[0]) list.add(rows[0]);
      announce("Note added");
    },
    { class: "primary" },
  );
  return el(
    "form",
    { class: "add", submit: (event) => event.preventDefault() },
    el("label", { for: "new-note" }, "New note"),
    text,
    send,
  );
}

function noteItem(session, note, again) {
  const { note_id, edited } = note;
  const remove = async () => {
    await write("delete_note", { session_id: session, note_id, if_version: note.version });
    again(undefined);
    offerUndo("Note deleted", "Add it again, as the newest", () =>
      write("add_note", { session_id: session, note: note.text }),
    );
  };
  const item = el(
    "li",
    { "data-note": note_id, class: "note" },
    longText(note.text, "note.txt"),
    facts(
      time(note.created_at),
      author(note.principal, note.client),
      edited && ["corrected ", time(edited.at), " by ", author(edited.principal, edited.client)],
    ),
    el(
      "p",
      { class: "actions" },
      button("Correct", () => edit(session, note, again, item), {
        "data-edit": true,
      }),
      workButton("Delete", () => remove().catch((error) => changed(error, session, note, again)), {}),
    ),
  );
  return item;
}

/** A note that has changed since it was read is shown as it is now, instead of what was asked for. */
async function changed(error, session, note, again) {
  if (error.code === "not_found") {
    again(undefined);
    return announce("The note had been deleted already");
  }
  if (error.code !== "conflict") throw error;
  again(await find(session, note.note_id));
  throw new Refused("It was changed meanwhile, and is shown as it is now. Nothing was deleted.");
}

async function find(session, noteId) {
  let cursor;
  for (let page = 0; page < LOOKED_PAGES; page += 1) {
    const { rows, next } = await pageOf(session, cursor);
    const found = rows.find((row) => row.note_id === noteId);
    if (found || next === undefined) return found;
    cursor = next;
  }
  return undefined;
}

function edit(session, note, again, item) {
  const text = el("textarea", {
    rows: String(Math.min(20, note.text.split("\n").length + 2)),
    "aria-label": "The note's text",
  });
  text.value = note.text;
  let { version } = note;
  const save = async (ifVersion) => {
    const mine = text.value;
    try {
      const saved = await write("update_note", {
        session_id: session,
        note_id: note.note_id,
        note: mine,
        if_version: ifVersion,
      });
      const now = (await find(session, note.note_id)) ?? { ...note, text: mine, version: saved.version };
      again(now);
      offerUndo("Note corrected", "Undo", async () => {
        const back = { session_id: session, note_id: note.note_id, note: note.text, if_version: saved.version };
        await write("update_note", back);
        again(await find(session, note.note_id));
      });
    } catch (error) {
      if (error.code !== "conflict") throw error;
      const theirs = await find(session, note.note_id);
      if (!theirs) throw error;
      version = theirs.version;
      const box = conflictView({
        theirs: theirs.text,
        mine,
        by: author(theirs.edited?.principal ?? theirs.principal, theirs.edited?.client ?? theirs.client),
        keepTheirs: () => again(theirs),
        keepMine: () => {
          box.remove();
          return save(theirs.version);
        },
      });
      form.querySelector(".conflict")?.remove();
      form.append(box);
    }
  };
  const form = el(
    "form",
    { "data-editor": true, submit: (event) => event.preventDefault() },
    text,
    el(
      "p",
      { class: "actions" },
      workButton("Save", () => save(version), { class: "primary" }),
      button("Cancel", () => again(note), { "data-cancel": true }),
    ),
  );
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.querySelector("button")?.click();
  });
  item.replaceChildren(form);
  text.focus();
}
