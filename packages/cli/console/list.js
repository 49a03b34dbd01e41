// A list that grows by a button and stays still: what comes to it while it is read waits on top until it is asked for.
import { announce, button, count, el, failed, isAbort, workButton } from "./dom.js";

/**
 * @template Row
 * @param {{
 *   label: string,
 *   empty: any,
 *   read: (cursor: string | undefined) => Promise<{ rows: Row[], next?: string }>,
 *   id: (row: Row) => string,
 *   render: (row: Row, again: (row?: Row) => void) => HTMLElement,
 *   same?: (a: Row, b: Row) => boolean,
 *   noun?: string,
 *   gone?: string,
 * }} options `gone` is said in the place of a row that is no longer there. `again(row)` shows another state of a row in its place; without one it takes the row away.
 */
export async function growingList({ label, empty, read, id, render, same = () => true, noun = "row", gone }) {
  const list = el("ul", { class: "rows", "aria-label": label });
  const top = el("div", { class: "top" });
  const none = el("div", { class: "empty" }, empty);
  const foot = el("div", {});
  /** @type {Map<string, { row: any, item: HTMLElement }>} */
  const shown = new Map();
  /** @type {Row[]} */
  let waiting = [];
  const showEmpty = () => {
    none.hidden = shown.size > 0;
    list.hidden = shown.size === 0;
  };
  const itemOf = (row) => {
    const again = (other) => {
      const entry = shown.get(id(row));
      if (!entry) return;
      const hadFocus = entry.item.contains(document.activeElement);
      if (other === undefined) {
        const next = /** @type {HTMLElement | null} */ (
          entry.item.nextElementSibling ?? entry.item.previousElementSibling
        );
        entry.item.remove();
        shown.delete(id(row));
        showEmpty();
        if (hadFocus) next?.focus();
        return;
      }
      const item = itemOf(other);
      entry.item.replaceWith(item);
      if (hadFocus) item.focus();
    };
    const item = render(row, again);
    item.dataset.row = "";
    item.tabIndex = -1;
    shown.set(id(row), { row, item });
    return item;
  };
  const showWaiting = () => {
    const rows = waiting;
    waiting = [];
    list.prepend(...rows.filter((row) => !shown.has(id(row))).map(itemOf));
    top.replaceChildren();
    showEmpty();
    /** @type {HTMLElement | null} */ (list.firstElementChild)?.focus();
  };
  const grow = async (cursor) => {
    const page = await read(cursor);
    list.append(...page.rows.filter((row) => !shown.has(id(row))).map(itemOf));
    showEmpty();
    foot.replaceChildren();
    if (page.next === undefined) return;
    foot.append(
      workButton("Show more", async () => {
        const last = list.lastElementChild;
        await grow(page.next);
        /** @type {HTMLElement | null} */ (last?.nextElementSibling)?.focus();
      }),
    );
  };
  await grow(undefined);
  return {
    node: el("div", {}, top, none, list, foot),
    /** Reads the first page again: rows that have changed change in their place, new ones wait on top. */
    refresh: async () => {
      let page;
      try {
        page = await read(undefined);
      } catch (error) {
        if (!isAbort(error)) top.replaceChildren(failed(error));
        throw error;
      }
      for (const row of page.rows) {
        const entry = shown.get(id(row));
        // What a person is editing is theirs until they are done.
        if (entry && !(entry.row && same(entry.row, row)) && !entry.item.querySelector("form"))
          entry.item.replaceWith(itemOf(row));
      }
      // Where this page is all there is. A row keeps its place: nothing below it moves up under the reader's finger.
      if (gone !== undefined && page.next === undefined) {
        const there = new Set(page.rows.map(id));
        for (const [key, entry] of shown)
          if (!there.has(key) && !entry.item.querySelector("form")) {
            entry.row = undefined;
            entry.item.replaceChildren(el("p", { class: "empty" }, gone));
          }
      }
      const fresh = page.rows.filter((row) => !shown.has(id(row)));
      if (fresh.length === 0 && waiting.length > 0) return;
      waiting = fresh;
      if (waiting.length === 0) {
        top.replaceChildren();
        return;
      }
      if (shown.size === 0) {
        list.prepend(...waiting.map(itemOf));
        waiting = [];
        showEmpty();
        return;
      }
      const label = `${waiting.length} new`;
      if (top.textContent !== label) announce(`${count(waiting.length, `new ${noun}`)}`);
      top.replaceChildren(button(label, showWaiting, { class: "primary" }));
    },
    /** Puts a row on top that the person has just made. */
    add: (row) => {
      list.prepend(itemOf(row));
      showEmpty();
    },
    get size() {
      return shown.size;
    },
  };
}
