// What stands over a page: a question before what cannot be undone, and the way back for ten seconds after a change.
import { announce, button, el, failed } from "./dom.js";

const UNDO_MS = 10_000;

/**
 * Asks before something is done. Resolves to whether it was; with `typed`, this text has to be typed first.
 * @param {{ title: string, body: any[], confirm: string, typed?: string }} question
 * @returns {Promise<boolean>}
 */
export function askFirst({ title, body, confirm, typed }) {
  return new Promise((resolve) => {
    const input = el("input", { type: "text", autocomplete: "off", spellcheck: "false", id: "typed" });
    const yes = el("button", { type: "submit", class: "danger", disabled: typed !== undefined }, confirm);
    input.addEventListener("input", () => {
      yes.disabled = input.value !== typed;
    });
    const dialog = el(
      "dialog",
      { "aria-labelledby": "dialog-title" },
      el(
        "form",
        {
          submit: (event) => {
            event.preventDefault();
            if (!yes.disabled) dialog.close("yes");
          },
        },
        el("h2", { id: "dialog-title" }, title),
        body,
        typed !== undefined &&
          el("p", {}, el("label", { for: "typed" }, "Type ", el("code", {}, typed), " to go on"), input),
        el(
          "p",
          { class: "actions" },
          button("Cancel", () => dialog.close("")),
          yes,
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Ends the offer that stands, if one does. */
let withdraw = () => {};

/**
 * Says what was done and offers the way back for ten seconds; the time stands still while a person is at the offer.
 * @param {string} done @param {string} label @param {() => Promise<unknown>} undo
 */
export function offerUndo(done, label, undo) {
  withdraw();
  let left = UNDO_MS;
  let since = 0;
  let timer;
  const end = () => {
    clearTimeout(timer);
    box.remove();
  };
  const run = () => {
    clearTimeout(timer);
    since = Date.now();
    timer = setTimeout(end, left);
  };
  const hold = () => {
    clearTimeout(timer);
    if (since > 0) left -= Date.now() - since;
    since = 0;
  };
  const back = button(label, async () => {
    hold();
    back.disabled = true;
    try {
      await undo();
      announce("Undone");
      end();
    } catch (error) {
      box.append(failed(error));
    }
  });
  const box = el(
    "div",
    {
      class: "undo",
      role: "region",
      "aria-label": "Undo",
      mouseenter: hold,
      mouseleave: run,
      focusin: hold,
      focusout: run,
    },
    el("span", {}, done),
    back,
    button("Dismiss", end, { class: "quiet" }),
  );
  withdraw = end;
  document.body.append(box);
  announce(`${done}. Undo is offered for 10 seconds.`);
  run();
}
