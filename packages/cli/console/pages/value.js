// One value: what it is now, and a text area of JSON to change it. A save says which version it was made from; one that another client
// has written meanwhile is shown beside one's own and is never overwritten unasked.
import { conflictView } from "../conflict.js";
import { offerUndo } from "../dialogs.js";
import { announce, button, bytes, count, download, el, facts, failed, quoted, stored, workButton } from "../dom.js";
import { faultAt } from "../json-fault.js";
import { follow } from "../live.js";
import { goTo, IN_TAB } from "../place.js";
import { Refused, read, write } from "../wire.js";
import { valueAddress } from "./values.js";

/** Longer JSON is shown by its beginning: a text area of megabytes stands still. */
const EDITED_CHARACTERS = 100_000;
const PREVIEW_CHARACTERS = 20_000;

export async function valuePage(view) {
  const { session, key } = view.params;
  if (key === undefined) return newValue(session);
  const now = await load(session, key, view.signal);
  const head = [
    el("p", { class: "path" }, el("a", { href: `#/session/${encodeURIComponent(session)}` }, quoted(session))),
    el("h1", {}, quoted(key)),
  ];
  if (!now.found) return [...head, el("p", { class: "empty" }, "There is no such value, or no longer.")];
  if (now.text === undefined) return [...head, ...tooLong(session, key, now)];
  const editor = new Editor(session, key, now);
  follow(view, [`session://${encodeURIComponent(session)}/values/${encodeURIComponent(key)}`], () => editor.look());
  return [...head, editor.node];
}

/** The value as text, whole if it is short enough to be edited; otherwise its beginning and its length. */
async function load(session, key, signal) {
  const args = { session_id: session, key };
  const got = await read("get_value", args, signal);
  if (!got.found) return { found: false, version: 0 };
  const { version } = got;
  if (got.part === undefined) return { found: true, version, text: JSON.stringify(got.value, null, 2) };
  if (got.length > EDITED_CHARACTERS) return { found: true, version, length: got.length, beginning: got.part };
  return { found: true, version, text: pretty(await whole(args, got)) };
}

/** Joins the parts of one version. @throws Refused when it changes in between */
async function whole(args, first) {
  const parts = [first.part];
  for (let got = first; got.next_offset !== undefined; parts.push(got.part)) {
    got = await read("get_value", { ...args, offset: got.next_offset });
    if (got.version !== first.version) throw new Refused("The value was changed while it was read. Try again.");
  }
  return parts.join("");
}

const pretty = (text) => JSON.stringify(JSON.parse(text), null, 2);

function tooLong(session, key, { version, length = 0, beginning = "" }) {
  const get = async () => {
    const args = { session_id: session, key };
    const got = await read("get_value", args);
    download(
      "value.json",
      [got.part === undefined ? JSON.stringify(got.value) : await whole(args, got)],
      "application/json",
    );
  };
  return [
    facts(`version ${version}`, count(length, "character")),
    el("p", {}, "It is too long to be edited here. This is its beginning:"),
    stored("pre", `${beginning.slice(0, PREVIEW_CHARACTERS)}…`, { tabindex: "0" }),
    ...(IN_TAB ? [el("p", { class: "actions" }, workButton("Download all of it", get, { class: "primary" }))] : []),
  ];
}

function newValue(session) {
  const key = el("input", { type: "text", id: "key", required: true, autocomplete: "off", "data-focus": true });
  const text = el("textarea", { id: "json", rows: "8", spellcheck: "false", class: "json" });
  const store = async () => {
    if (key.value === "") return key.focus();
    parsed(text);
    await write("store_value", { session_id: session, key: key.value, value_json: text.value, if_version: 0 });
    goTo(valueAddress(session, key.value));
  };
  return [
    el("p", { class: "path" }, el("a", { href: `#/session/${encodeURIComponent(session)}` }, quoted(session))),
    el("h1", {}, "New value"),
    el(
      "form",
      { submit: (event) => event.preventDefault() },
      el("p", {}, el("label", { for: "key" }, "Key"), key),
      el("p", {}, el("label", { for: "json" }, "JSON"), text),
      el("p", { class: "actions" }, workButton("Store", store, { class: "primary" })),
    ),
  ];
}

/** Checks the text and puts the cursor where it goes wrong. @throws Refused */
function parsed(area) {
  const at = faultAt(area.value);
  if (at === undefined) return JSON.parse(area.value);
  area.focus();
  area.setSelectionRange(at, Math.min(at + 1, area.value.length));
  const before = area.value.slice(0, at).split("\n");
  const where = `line ${before.length}, column ${(before.at(-1) ?? "").length + 1}`;
  throw new Refused(`This is not JSON: ${where}. A text needs quotation marks around it.`);
}

class Editor {
  /** @param {string} session @param {string} key @param {{ version: number, text?: string }} now */
  constructor(session, key, now) {
    this.args = { session_id: session, key };
    this.session = session;
    this.version = now.version;
    this.saved = now.text ?? "";
    this.area = el("textarea", {
      id: "json",
      rows: String(Math.min(30, this.saved.split("\n").length + 2)),
      spellcheck: "false",
      class: "json",
      "data-edit": true,
      // `e` clicks it.
      click: () => this.area.focus(),
      keydown: (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.saveButton.click();
      },
    });
    this.area.value = this.saved;
    this.head = el("div", {});
    this.below = el("div", {});
    this.saveButton = workButton("Save", () => this.save(this.version), { class: "primary" });
    this.node = el(
      "form",
      { submit: (event) => event.preventDefault() },
      this.head,
      el("label", { for: "json" }, "JSON"),
      this.area,
      el(
        "p",
        { class: "actions" },
        this.saveButton,
        button("Format", () => this.format()),
        workButton("Delete", () => this.remove()),
        IN_TAB && button("Download", () => download("value.json", [this.area.value], "application/json")),
      ),
      this.below,
    );
    this.showHead();
  }

  showHead() {
    this.head.replaceChildren(facts(`version ${this.version}`, bytes(new TextEncoder().encode(this.saved).length)));
  }

  get changed() {
    return this.area.value !== this.saved;
  }

  take(now) {
    this.version = now.version;
    this.saved = now.text ?? "";
    this.area.value = this.saved;
    this.below.replaceChildren();
    this.showHead();
  }

  /** Something may have changed: without an edit the new value is shown; an edit stays and a line says so. */
  async look() {
    const now = await load(this.session, this.args.key);
    if (now.version === this.version) return;
    if (!this.changed && now.text !== undefined) {
      this.take(now);
      announce("The value was changed elsewhere, and is shown as it is now");
    } else {
      const said = now.found
        ? `It was changed elsewhere: version ${now.version}. A save will show both.`
        : "It was deleted elsewhere.";
      if (!this.below.querySelector(".conflict"))
        this.below.replaceChildren(el("p", { role: "status", class: "warn" }, said));
    }
  }

  /** Only where no number and no escape would be written another way: what a person typed is theirs. */
  format() {
    try {
      const value = parsed(this.area);
      const compact = JSON.stringify(value);
      const bare = this.area.value.replace(/("(?:[^"\\]|\\.)*")|\s+/g, "$1");
      if (bare !== compact)
        throw new Refused("Formatting would also write numbers or escapes another way, so the text is left as it is.");
      this.area.value = JSON.stringify(value, null, 2);
      this.below.replaceChildren();
    } catch (error) {
      this.below.replaceChildren(failed(error));
    }
  }

  async save(ifVersion) {
    this.below.replaceChildren();
    parsed(this.area);
    const mine = this.area.value;
    const before = this.saved;
    let written;
    try {
      written = await write("store_value", { ...this.args, value_json: mine, if_version: ifVersion, keep_ttl: true });
    } catch (error) {
      if (error.code !== "conflict") throw error;
      return this.conflict(mine);
    }
    this.take({ version: written.version, text: mine });
    offerUndo(`Saved as version ${written.version}`, "Undo", async () => {
      const undone = await write("store_value", {
        ...this.args,
        value_json: before,
        if_version: written.version,
        keep_ttl: true,
      });
      this.take({ version: undone.version, text: before });
    });
  }

  async conflict(mine) {
    const theirs = await load(this.session, this.args.key);
    const shown = theirs.found ? (theirs.text ?? "(too long to be shown)") : "(deleted)";
    const box = conflictView({
      theirs: shown,
      mine,
      keepTheirs: () => (theirs.found ? this.take(theirs) : this.gone()),
      keepMine: () => this.save(theirs.version).catch((error) => this.below.replaceChildren(failed(error))),
    });
    this.below.replaceChildren(box);
    box.scrollIntoView({ block: "nearest" });
  }

  gone() {
    goTo(`#/session/${encodeURIComponent(this.session)}`);
  }

  async remove() {
    try {
      await write("delete_value", { ...this.args, if_version: this.version });
    } catch (error) {
      if (error.code !== "conflict") throw error;
      await this.look();
      throw new Refused("It was changed meanwhile. Nothing was deleted.");
    }
    const back = { ...this.args, value_json: this.saved, if_version: 0 };
    this.gone();
    offerUndo("Value deleted", "Undo", async () => {
      await write("store_value", back);
      goTo(valueAddress(this.session, this.args.key));
    });
  }
}
