// Keeps a page up to date: a stream of changes while the page is looked at, none while its tab is hidden or a person has paused it.
// Where the server holds no streams, it asks every five seconds. Knows no page.
import { announce } from "./dom.js";
import { isSignedOut, listen, Refused } from "./wire.js";

const POLL_MS = 5_000;
const AGAIN_FIRST_MS = 1_000;
const AGAIN_MAX_MS = 30_000;

let paused = false;
/** @type {Set<{ wake(): void }>} */
const followed = new Set();
const wakeAll = () => {
  for (const one of followed) one.wake();
};
const switchButton = () => /** @type {HTMLButtonElement} */ (document.getElementById("live"));

/** Sets the button up, once. */
export function setUpLive() {
  switchButton().addEventListener("click", () => {
    paused = !paused;
    announce(paused ? "Live updates are paused" : "Live updates go on");
    wakeAll();
    show(paused ? "paused" : "connecting");
  });
  document.addEventListener("visibilitychange", wakeAll);
}

function show(state) {
  const button = switchButton();
  button.hidden = followed.size === 0;
  button.dataset.state = state;
  button.setAttribute("aria-pressed", String(state === "paused"));
  button.textContent = { live: "Live", paused: "Paused", connecting: "Connecting" }[state] ?? state;
  button.title = state === "paused" ? "Go on with live updates" : "Pause live updates";
}

/**
 * Follows resources until the view is left; without any, it asks now and then. A view may follow several. `onChange(uri)` is called for each change, and without one when changes may have been missed.
 * @param {{ signal: AbortSignal }} view
 * @param {readonly string[]} uris
 * @param {(uri?: string) => Promise<void> | void} onChange
 */
export function follow({ signal }, uris, onChange) {
  if (signal.aborted) return;
  /** Ends what is under way: the stream, or a wait. */
  let turn = new AbortController();
  const self = { wake: () => turn.abort() };
  followed.add(self);
  signal.addEventListener("abort", () => {
    turn.abort();
    followed.delete(self);
    switchButton().hidden = followed.size === 0;
  });
  const tell = async (uri) => {
    try {
      await onChange(uri);
    } catch (error) {
      if (isSignedOut(error)) throw error;
      // What cannot be read now is read at the next change.
    }
  };
  const run = async () => {
    let wait = AGAIN_FIRST_MS;
    let first = true;
    let polls = uris.length === 0;
    while (!signal.aborted) {
      turn = new AbortController();
      if (paused || document.visibilityState === "hidden") {
        show(paused ? "paused" : "connecting");
        await pause(undefined, turn.signal);
        continue;
      }
      if (polls) {
        show("live");
        await tell();
        await pause(POLL_MS, turn.signal);
        continue;
      }
      show("connecting");
      try {
        for await (const frame of listen(uris, turn.signal)) {
          if (frame.method === "notifications/resources/updated") await tell(frame.params.uri);
          else if (frame.method?.endsWith("acknowledged")) {
            show("live");
            wait = AGAIN_FIRST_MS;
            // Between the page's own reading and this moment something may have changed, and did if the stream was interrupted.
            await tell();
            first = false;
          }
        }
      } catch (error) {
        polls = error instanceof Refused && first && !isSignedOut(error);
        if (isSignedOut(error)) return;
      }
      if (signal.aborted || turn.signal.aborted || polls) continue;
      show("connecting");
      await pause(wait, turn.signal);
      wait = Math.min(wait * 2, AGAIN_MAX_MS);
    }
  };
  run();
}

/** Waits so long, or for ever, or until the signal. */
const pause = (ms, signal) =>
  new Promise((/** @type {(value?: unknown) => void} */ resolve) => {
    if (signal.aborted) return resolve();
    const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });

/**
 * Has a list show these rows, newly made. A row that stood there stays the element it was and takes over the last part of the new one, so
 * that who walks through the list with the keyboard stays where they are.
 * @param {Element} list @param {readonly (readonly [key: string, row: HTMLElement])[]} rows each with what tells it apart
 */
export function refreshRows(list, rows) {
  const before = new Map([...list.children].map((row) => [/** @type {HTMLElement} */ (row).dataset.key, row]));
  let at = list.firstElementChild;
  const drop = () => {
    const next = at?.nextElementSibling ?? null;
    at?.remove();
    at = next;
  };
  for (const [key, row] of rows) {
    const old = before.get(key);
    if (old?.parentElement !== list) {
      row.dataset.key = key;
      list.insertBefore(row, at);
      continue;
    }
    while (at && at !== old) drop();
    if (row.lastElementChild) old.lastElementChild?.replaceWith(row.lastElementChild);
    at = old.nextElementSibling;
  }
  while (at) drop();
}
