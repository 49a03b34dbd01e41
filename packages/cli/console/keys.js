// The keyboard: one key each for what a person does often. The keys can be turned off, for those who speak to their computer.
import { button, el } from "./dom.js";
import { goTo, here } from "./place.js";

const OFF = "stateful-mcp-keys-off";
const isOff = () => localStorage.getItem(OFF) === "1";

const HELP = [
  ["/", "search"],
  ["j, k", "next row, row before"],
  ["Enter", "open the row"],
  ["e", "edit the row, or the value"],
  ["Esc", "close what is open, else go one level up"],
  ["?", "this list"],
];

const rows = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll("main [data-row]")]);
const rowOf = (element) => element?.closest?.("[data-row]");

function move(step) {
  const all = rows();
  const at = all.indexOf(rowOf(document.activeElement));
  const next = all[at === -1 ? (step > 0 ? 0 : all.length - 1) : at + step];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
  return next !== undefined;
}

/** What a key does. True: it was one of ours. */
function press(key) {
  const row = rowOf(document.activeElement);
  const click = (selector, within = row) => {
    const found = within?.querySelector(selector);
    found?.click();
    return found !== undefined && found !== null;
  };
  switch (key) {
    case "/":
      if (here().startsWith("#/search")) document.getElementById("query")?.focus();
      else goTo("#/search");
      return true;
    case "?":
      showHelp();
      return true;
    case "j":
      return move(1);
    case "k":
      return move(-1);
    case "e":
      return click("[data-edit]", row ?? document.querySelector("main"));
    case "Enter":
      return document.activeElement === row && click("[data-open]");
    default:
      return false;
  }
}

/** @param {() => void} goUp */
export function setUpKeys(goUp) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    // An open dialog has its own way to close.
    if (document.querySelector("dialog[open]")) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const writes = target.matches("input, textarea, select");
    if (event.key === "Escape") {
      const cancel = /** @type {HTMLElement | null} */ (
        (target.closest("form") ?? document.querySelector("main form[data-editor]"))?.querySelector("[data-cancel]") ??
          null
      );
      if (cancel) cancel.click();
      else if (writes) target.blur();
      else goUp();
      return;
    }
    if (writes || isOff()) return;
    if (press(event.key)) event.preventDefault();
  });
  document.getElementById("help")?.addEventListener("click", showHelp);
}

function showHelp() {
  const box = el("input", {
    type: "checkbox",
    id: "keys-on",
    change: () => localStorage.setItem(OFF, box.checked ? "0" : "1"),
  });
  box.checked = !isOff();
  const dialog = el(
    "dialog",
    { "aria-labelledby": "help-title", close: () => dialog.remove() },
    el("h2", { id: "help-title" }, "Keys"),
    el(
      "dl",
      { class: "keys" },
      HELP.map(([key, what]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)]),
    ),
    el("p", {}, el("label", { class: "check" }, box, " Single keys work")),
    el(
      "p",
      { class: "actions" },
      button("Close", () => dialog.close()),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}
