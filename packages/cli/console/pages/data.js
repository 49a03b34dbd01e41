// Give it to me, take it back, forget it: all of one's own memory at once, and where it lies.
import { askFirst } from "../dialogs.js";
import { announce, bytes, count, download, el, facts, workButton } from "../dom.js";
import { about, ask, Refused, read, write } from "../wire.js";

const LINES = "application/x-ndjson";
const WORD = "delete everything";

export function dataPage() {
  const { location: place, backend } = about();
  return [
    el("h1", {}, "Your data"),
    el(
      "section",
      {},
      el("h2", {}, "Where it lies"),
      el("p", {}, place ? el("code", {}, place) : `In the store of this server (${backend}).`),
      lies(backend),
    ),
    el("section", {}, el("h2", {}, "Export"), ...exporting()),
    el("section", {}, el("h2", {}, "Import"), ...importing()),
    el("section", { class: "danger-zone" }, el("h2", {}, "Forget"), ...forgetting()),
  ];
}

const lies = (backend) =>
  el(
    "p",
    {},
    {
      local: "A file on this machine. An export is its backup.",
      dynamodb:
        "A table in an AWS account. Where its recovery is on, what you delete can be brought back by its operator for up to 35 days.",
      memory: "In the memory of the server's process: it ends with it. Export what you want to keep.",
    }[backend] ?? "",
  );

function exporting() {
  const told = el("p", { role: "status" });
  const run = async () => {
    const response = await ask("/memory/export");
    const chunks = [];
    let size = 0;
    const reader = /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (response.body).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      size += value.length;
      told.textContent = `${bytes(size)} so far…`;
    }
    download("stateful-mcp-export.jsonl", chunks, LINES);
    told.textContent = `Exported ${bytes(size)}.`;
  };
  return [
    el(
      "p",
      {},
      "All sessions with their notes and values, as lines of JSON. It is not one moment of all sessions: what is written meanwhile may be in it or not.",
    ),
    el("p", { class: "actions" }, workButton("Export", run, { class: "primary" })),
    told,
  ];
}

function importing() {
  const file = el("input", { type: "file", id: "file", accept: ".jsonl,.ndjson,.json,application/x-ndjson" });
  const told = el("div", { role: "status" });
  const send = async (dryRun) => {
    told.replaceChildren();
    const chosen = file.files?.[0];
    if (!chosen) throw new Refused("Choose a file first: what an export has saved.");
    const response = await ask(`/memory/import${dryRun ? "?dry_run=true" : ""}`, {
      method: "POST",
      headers: { "Content-Type": LINES },
      body: chosen,
    });
    const counts = await response.json();
    const what = `${count(counts.sessions, "session")}, ${count(counts.notes, "note")} and ${count(counts.values, "value")}`;
    told.replaceChildren(
      el("p", {}, dryRun ? `It would add ${what}.` : `Added ${what}.`),
      facts(
        counts.present > 0 && `${counts.present.toLocaleString("en")} were there already`,
        counts.kept > 0 && `${count(counts.kept, "value")} with another content here, left as they are`,
        counts.expired > 0 && `the time of ${count(counts.expired, "value")} is over`,
      ),
    );
  };
  return [
    el("p", {}, "Puts an export back. Nothing is overwritten, and the same file adds nothing a second time."),
    el("p", {}, el("label", { for: "file" }, "File"), file),
    el(
      "p",
      { class: "actions" },
      workButton("Try without writing", () => send(true)),
      workButton("Import", () => send(false), { class: "primary" }),
    ),
    told,
  ];
}

function forgetting() {
  const told = el("p", { role: "status" });
  const run = async () => {
    const agreed = await askFirst({
      title: "Delete everything?",
      body: [
        el(
          "p",
          {},
          "All your sessions, with every note and value. They cannot be brought back; an export made before can be imported again.",
        ),
      ],
      confirm: "Delete everything",
      typed: WORD,
    });
    if (!agreed) return;
    let deleted = 0;
    for (;;) {
      const { sessions } = await read("list_sessions", { limit: 100 });
      if (sessions.length === 0) break;
      for (const { session_id } of sessions) {
        await write("delete_session", { session_id });
        deleted += 1;
        told.textContent = `${count(deleted, "session")} deleted`;
      }
    }
    announce(`${count(deleted, "session")} deleted: nothing is left`);
    told.textContent = `${count(deleted, "session")} deleted. Nothing is left.`;
  };
  return [el("p", { class: "actions" }, workButton("Delete everything…", run, { class: "danger" })), told];
}
