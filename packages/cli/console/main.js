// The frame around the pages: which page an address means, the navigation, and what holds on all of them.
import { el, failed, isAbort, visible } from "./dom.js";
import { setUpKeys } from "./keys.js";
import { setUpLive } from "./live.js";
import { PAGES } from "./pages/index.js";
import { signIn } from "./pages/sign-in.js";
import { setUpTheme } from "./theme.js";
import { about, forgetTools, isSignedOut, loadAbout, token, tools } from "./wire.js";

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const nav = /** @type {HTMLElement} */ (document.getElementById("nav"));
const forget = /** @type {HTMLButtonElement} */ (document.getElementById("forget"));

let left = new AbortController();

/** The page that an address means, with what its pattern names. `:name` stands for one part of the path. */
function match(path) {
  const parts = path.split("/").filter(Boolean);
  for (const page of PAGES) {
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

/** What stands in the address after `#`. Undefined: a part of it is no text. */
function place() {
  const [path = "", query = ""] = location.hash.slice(1).split("?");
  try {
    const found = match(path);
    if (!found) return undefined;
    const params = Object.fromEntries(
      Object.entries(found.params).map(([key, part]) => [key, decodeURIComponent(part)]),
    );
    return { page: found.page, params, query: new URLSearchParams(query), path };
  } catch {
    return undefined;
  }
}

/** Has a page shown, and what was there before given up. */
async function show() {
  left.abort();
  left = new AbortController();
  const { signal } = left;
  const here = place();
  const view = { signal, params: here?.params ?? {}, query: here?.query ?? new URLSearchParams() };
  let parts;
  try {
    parts = here ? await here.page.view(view) : nothingHere();
  } catch (error) {
    if (signal.aborted || isAbort(error)) return;
    if (isSignedOut(error)) return askForToken();
    parts = [
      el("h1", {}, "This could not be read"),
      failed(error),
      el("p", {}, el("a", { href: "#/memory" }, "To your sessions")),
    ];
  }
  if (signal.aborted) return;
  main.replaceChildren(...parts);
  const title = main.querySelector("h1")?.textContent ?? "";
  document.title = title ? `${title} · ${visible(about().name || "stateful-mcp")}` : "stateful-mcp console";
  for (const link of nav.querySelectorAll("a"))
    link.toggleAttribute("aria-current", link.dataset.section === here?.page.section);
  for (const link of nav.querySelectorAll("a[aria-current]")) link.setAttribute("aria-current", "page");
  const first = /** @type {HTMLElement | null} */ (main.querySelector("[autofocus]"));
  (first ?? main).focus({ preventScroll: true });
  scrollTo(0, 0);
}

const nothingHere = () => [
  el("h1", {}, "There is no such page"),
  el("p", {}, "The address may be cut off. ", el("a", { href: "#/memory" }, "To your sessions")),
];

function askForToken() {
  nav.hidden = true;
  forget.hidden = true;
  main.replaceChildren(...signIn(start, token.get() !== ""));
  document.title = "Sign in · stateful-mcp";
  /** @type {HTMLElement | null} */ (main.querySelector("input"))?.focus();
}

/** Also after a token was given: what may be seen depends on it. */
async function start() {
  try {
    await loadAbout();
    const offered = new Set((await tools()).map((tool) => tool.name));
    const operates = about().operator;
    const pages = PAGES.filter(
      ({ nav: name, needs, operator }) =>
        name && (needs === undefined || offered.has(needs)) && (operator === undefined || operates),
    );
    nav.replaceChildren(
      ...pages.map(({ nav: name, path, section }) => el("a", { href: `#${path}`, "data-section": section }, name)),
    );
    nav.hidden = false;
    forget.hidden = token.get() === "";
  } catch (error) {
    if (isSignedOut(error)) return askForToken();
    main.replaceChildren(el("h1", {}, "The server does not answer"), failed(error));
    return;
  }
  await show();
}

forget.addEventListener("click", () => {
  token.forget();
  forgetTools();
  left.abort();
  main.replaceChildren();
  location.hash = "#/";
  start();
});

/** A command that opens this page hands a token over behind `#`, which reaches no server and no log; it leaves the history at once. */
function takeHandedToken() {
  const given = /^#token=(.+)$/.exec(location.hash)?.[1];
  if (given === undefined) return;
  history.replaceState(null, "", `${location.pathname}#/`);
  token.set(decodeURIComponent(given));
}

const goUp = () => {
  const up = place()?.page.up;
  if (up) location.hash = `#${up(place()?.params ?? {})}`;
};

takeHandedToken();
setUpTheme();
setUpLive();
setUpKeys(goUp);
addEventListener("hashchange", () => {
  takeHandedToken();
  if (location.hash !== "#main") show();
});
document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
start();
