// The frame around the pages: which page an address means, and how it takes the place of the one before. Knows no page and no server.
import { el, failed, isAbort } from "./dom.js";
import { goTo, here } from "./place.js";

/**
 * @typedef {{ path: string, section: string, view: (view: any) => Promise<any[]> | any[], nav?: string, needs?: string,
 *   operator?: boolean, up?: (params: any) => string }} Page
 * `:name` in a path stands for one part of it.
 */

/** @param {readonly Page[]} pages */
export const linksTo = (pages) =>
  pages.map(({ nav, path, section }) => el("a", { href: `#${path}`, "data-section": section }, nav));

/**
 * @param {{ pages: readonly Page[], refused?: (error: unknown) => boolean, shown?: (title: string) => void }} frame `refused` returns
 *   whether it has taken care of the error; `shown` is told the heading of the page that stands there now.
 */
export function makeFrame({ pages, refused = () => false, shown = () => {} }) {
  const main = /** @type {HTMLElement} */ (document.getElementById("main"));
  const nav = /** @type {HTMLElement} */ (document.getElementById("nav"));
  let left = new AbortController();

  /** The page that a path means, with what its pattern names. */
  function match(path) {
    const parts = path.split("/").filter(Boolean);
    for (const page of pages) {
      const pattern = page.path.split("/").filter(Boolean);
      if (pattern.length !== parts.length) continue;
      const params = {};
      const fits = pattern.every((part, at) => {
        if (!part.startsWith(":")) return part === parts[at];
        params[part.slice(1)] = parts[at];
        return true;
      });
      if (fits) return { page, params };
    }
    return undefined;
  }

  /** What the address says. Undefined: no page has it, or a part of it is no text. */
  function place() {
    const [path = "", query = ""] = here().slice(1).split("?");
    try {
      const found = match(path);
      if (!found) return undefined;
      const params = Object.fromEntries(
        Object.entries(found.params).map(([key, part]) => [key, decodeURIComponent(part)]),
      );
      return { page: found.page, params, query: new URLSearchParams(query) };
    } catch {
      return undefined;
    }
  }

  /** Has the page of the address shown, and what was there before given up. */
  async function show({ focus = true } = {}) {
    left.abort();
    left = new AbortController();
    const { signal } = left;
    const at = place();
    const view = { signal, params: at?.params ?? {}, query: at?.query ?? new URLSearchParams() };
    let parts;
    try {
      parts = at ? await at.page.view(view) : nothingHere();
    } catch (error) {
      if (signal.aborted || isAbort(error) || refused(error)) return;
      parts = [
        el("h1", {}, "This could not be read"),
        failed(error),
        el("p", {}, el("a", { href: "#/memory" }, "To your sessions")),
      ];
    }
    if (signal.aborted) return;
    main.replaceChildren(...parts);
    for (const link of nav.querySelectorAll("a")) {
      if (link.dataset.section === at?.page.section) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    shown(main.querySelector("h1")?.textContent ?? "");
    if (!focus) return;
    const first = /** @type {HTMLElement | null} */ (main.querySelector("[data-focus]"));
    (first ?? main).focus({ preventScroll: true });
    scrollTo(0, 0);
  }

  return {
    show,
    /** Gives up what is shown. */
    leave: () => left.abort(),
    /** One level up, where there is one. */
    goUp: () => {
      const at = place();
      if (at?.page.up) goTo(`#${at.page.up(at.params)}`);
    },
  };
}

const nothingHere = () => [
  el("h1", {}, "There is no such page"),
  el("p", {}, "The address may be cut off. ", el("a", { href: "#/memory" }, "To your sessions")),
];
