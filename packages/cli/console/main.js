// The console in a tab: signing in, the navigation, the theme, the keys, and what holds on all pages.
import { el, failed, visible } from "./dom.js";
import { linksTo, makeFrame } from "./frame.js";
import { setUpKeys } from "./keys.js";
import { setUpLive } from "./live.js";
import { PAGES } from "./pages/index.js";
import { signIn } from "./pages/sign-in.js";
import { here, onMove } from "./place.js";
import { setUpTheme } from "./theme.js";
import { about, forgetTools, isSignedOut, loadAbout, token, tools } from "./wire.js";

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const nav = /** @type {HTMLElement} */ (document.getElementById("nav"));
const forget = /** @type {HTMLButtonElement} */ (document.getElementById("forget"));

const frame = makeFrame({
  pages: PAGES,
  refused: (error) => {
    if (!isSignedOut(error)) return false;
    askForToken();
    return true;
  },
  shown: (title) => {
    document.title = title ? `${title} · ${visible(about().name || "stateful-mcp")}` : "stateful-mcp console";
  },
});

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
    nav.replaceChildren(...linksTo(pages));
    nav.hidden = false;
    forget.hidden = token.get() === "";
  } catch (error) {
    if (isSignedOut(error)) return askForToken();
    main.replaceChildren(el("h1", {}, "The server does not answer"), failed(error));
    return;
  }
  await frame.show();
}

forget.addEventListener("click", () => {
  token.forget();
  forgetTools();
  frame.leave();
  main.replaceChildren();
  location.hash = "#/";
  start();
});

/** A command that opens this page hands a token over behind `#`, which reaches no server and no log; it leaves the history at once. */
function takeHandedToken() {
  const given = /^#token=(.+)$/.exec(here())?.[1];
  if (given === undefined) return;
  history.replaceState(null, "", `${location.pathname}#/`);
  token.set(decodeURIComponent(given));
}

takeHandedToken();
setUpTheme();
setUpLive();
setUpKeys(frame.goUp);
onMove(() => {
  takeHandedToken();
  if (here() !== "#main") frame.show();
});
document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
start();
