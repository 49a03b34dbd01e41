// What is still running? The calls that go on by themselves, and what came of them until they expire.
import { announce, el, facts, longText, quoted, time, workButton } from "../dom.js";
import { growingList } from "../list.js";
import { read, write } from "../wire.js";

const MARKS = { working: "◌", input_required: "?", completed: "✓", failed: "✗", cancelled: "–" };
const standing = (status) =>
  el("span", { class: `status ${status}` }, `${MARKS[status] ?? ""} ${status.replace("_", " ")}`);
const hasEnded = ({ status }) => ["completed", "failed", "cancelled"].includes(status);
const LOOK_MS = 2_000;

/** Looks again while something runs and the tab is seen. */
function lookAgain({ signal }, look) {
  const timer = setInterval(() => {
    if (document.visibilityState === "visible") look().catch(() => {});
  }, LOOK_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
}

export async function tasksPage(view) {
  const list = await growingList({
    label: "Tasks",
    noun: "task",
    empty: el("p", {}, "No tasks. A call of a tool that takes its time appears here, until it expires."),
    id: (task) => task.task_id,
    same: (a, b) => a.updated_at === b.updated_at && a.status === b.status,
    read: async (cursor) => {
      const page = await read("list_tasks", { ...(cursor && { cursor }) }, view.signal);
      return { rows: page.tasks, next: page.next_cursor };
    },
    render: (task, again) =>
      el(
        "li",
        {},
        el("a", { href: `#/tasks/${encodeURIComponent(task.task_id)}`, "data-open": true }, quoted(task.tool)),
        facts(
          standing(task.status),
          task.message && quoted(task.message),
          ["began ", time(task.created_at)],
          ["expires ", time(task.expires_at)],
        ),
        !hasEnded(task) && el("p", { class: "actions" }, cancelButton(task, again)),
      ),
  });
  lookAgain(view, () => list.refresh());
  return [el("h1", {}, "Tasks"), list.node];
}

const cancelButton = (task, again) =>
  workButton("Cancel", async () => {
    again(await write("cancel_task", { task_id: task.task_id }));
    announce("Cancelled");
  });

export async function taskPage(view) {
  const { task: id } = view.params;
  const box = el("div", {});
  let shown = "";
  const show = async () => {
    const task = await read("get_task", { task_id: id }, view.signal);
    if (shown === JSON.stringify(task)) return;
    shown = JSON.stringify(task);
    const { result, error, questions } = task;
    box.replaceChildren(
      facts(standing(task.status), task.message && quoted(task.message)),
      facts(
        ["began ", time(task.created_at)],
        ["changed ", time(task.updated_at)],
        ["expires ", time(task.expires_at)],
      ),
      questions
        ? el(
            "p",
            {},
            "It waits for an answer that its client has to give: ",
            longText(JSON.stringify(questions, null, 2), "questions.json"),
          )
        : "",
      error ? el("section", {}, el("h2", {}, "Error"), longText(`${error.code}: ${error.message}`, "error.txt")) : "",
      result ? el("section", {}, el("h2", {}, "Result"), longText(JSON.stringify(result, null, 2), "result.json")) : "",
      hasEnded(task) ? "" : el("p", { class: "actions" }, cancelButton(task, show)),
    );
    heading.replaceChildren(quoted(task.tool));
  };
  const heading = el("h1", {});
  await show();
  lookAgain(view, show);
  return [
    el("p", { class: "path" }, el("a", { href: "#/tasks" }, "Tasks")),
    heading,
    el("p", { class: "facts" }, el("code", {}, quoted(id))),
    box,
  ];
}
