// What pages are made of: elements, stored text, times and sizes. What is stored becomes text nodes only: there is no way in here to
// make markup or a link of it. Knows no page and no server.
import { IN_TAB } from "./place.js";

/**
 * An element. Attributes that are `true` stand without a value, those that are `undefined`, `null` or `false` are left out, and
 * functions are listeners by their event's name. Children that are strings become text.
 * @param {string} name
 * @param {Record<string, any>} [attributes]
 * @param {...any} children
 * @returns {any}
 */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") made.addEventListener(key, value);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return made;
}

/** @param {string} label @param {(event: Event) => unknown} onClick @param {Record<string, any>} [attributes] */
export const button = (label, onClick, attributes = {}) =>
  el("button", { type: "button", click: onClick, ...attributes }, label);

/** A button that cannot be pressed a second time while its work goes on; what goes wrong is shown beside it. */
export function workButton(label, work, attributes = {}) {
  const made = button(
    label,
    async () => {
      made.disabled = true;
      made.parentElement?.querySelector(":scope > .failed")?.remove();
      try {
        await work();
      } catch (error) {
        if (!isAbort(error)) made.after(failed(error));
      } finally {
        made.disabled = false;
      }
    },
    attributes,
  );
  return made;
}

/** Characters that hide or turn text around are shown by their number. @param {unknown} text */
export const visible = (text) =>
  String(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (sign) =>
    sign === "\n" || sign === "\t" ? sign : `\\u{${sign.codePointAt(0)?.toString(16)}}`,
  );

/** Stored text in an element of its own, whose direction does not reach what stands around it. */
export const stored = (name, text, attributes = {}) => el(name, { dir: "auto", ...attributes }, visible(text));
/** The same inside of a sentence. */
export const quoted = (text) => el("bdi", {}, visible(text));

const FOLDED_CHARACTERS = 2_048;
const PREVIEW_CHARACTERS = 100_000;

/** Long text: its beginning, and the rest when it is asked for; of very long text only a preview and a download. */
export function longText(text, file) {
  const box = stored("pre", text.length > FOLDED_CHARACTERS ? `${cut(text, FOLDED_CHARACTERS)}…` : text);
  if (text.length <= FOLDED_CHARACTERS) return box;
  const isHuge = text.length > PREVIEW_CHARACTERS;
  const all = count(text.length, "character");
  const more = !isHuge
    ? button(`Show all (${all})`, () => {
        box.textContent = visible(text);
        more.remove();
      })
    : IN_TAB
      ? button(`Download all (${all})`, () => download(file, [text]))
      : el("p", { class: "facts" }, `${all} in all`);
  return el("div", {}, box, more);
}

/** The beginning of a text, without half of a character at its end. */
const cut = (text, length) => text.slice(0, length).replace(/[\ud800-\udbff]$/, "");

/** Has the browser save what a page has made. The name is the page's own, never a stored one. */
export function download(name, parts, type = "text/plain") {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  const link = el("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

const STEPS = /** @type {const} */ ([
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
]);
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** When something was or will be: for a person in words, with the whole time beside it. @param {string | null | undefined} iso */
export function time(iso) {
  if (!iso) return "time not known";
  const at = new Date(iso);
  const seconds = (at.getTime() - Date.now()) / 1000;
  const [unit, size] = STEPS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  const days = Math.abs(seconds) / 86_400;
  const words =
    days > 30
      ? at.toLocaleDateString("en", { dateStyle: "medium" })
      : Math.abs(seconds) < 60
        ? "just now"
        : relative.format(Math.round(seconds / size), /** @type {Intl.RelativeTimeFormatUnit} */ (unit));
  return el("time", { datetime: iso, title: at.toLocaleString() }, words);
}

export const count = (n, word, plural = `${word}s`) => `${n.toLocaleString("en")} ${n === 1 ? word : plural}`;

export const bytes = (n) =>
  n < 1_000 ? count(n, "byte") : n < 1_000_000 ? `${(n / 1_000).toFixed(1)} KB` : `${(n / 1_000_000).toFixed(1)} MB`;

/** Facts on one line, with dots between them; those that are missing are left out. */
export const facts = (...all) =>
  el(
    "p",
    { class: "facts" },
    all.filter(Boolean).flatMap((fact, at) => (at === 0 ? [fact] : [" · ", fact])),
  );

/** Who wrote something, and with what. */
export const author = (principal, client) =>
  principal || client
    ? el("span", {}, quoted(principal || "unknown"), client ? [" with ", quoted(client)] : [])
    : undefined;

export const failed = (error) => el("p", { role: "alert", class: "failed" }, visible(error?.message ?? error));
export const isAbort = (error) => error?.name === "AbortError";

/** Says something to a person who cannot see what has changed. */
export function announce(text) {
  const region = document.getElementById("status");
  if (region) region.textContent = visible(text);
}

/** Text to take elsewhere, with a button that copies it. */
export function snippet(label, text) {
  const copy = button(
    "Copy",
    async () => {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
      announce(`${label}: copied`);
    },
    { "aria-label": `Copy: ${label}` },
  );
  return el("figure", { class: "snippet" }, el("figcaption", {}, label), el("pre", { tabindex: "0" }, text), copy);
}
