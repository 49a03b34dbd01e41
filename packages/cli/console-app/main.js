// The console's pages about memory as an MCP App, in a frame of a host: no token, no keys of its own beside the host's, the host's theme.
// What a frame without rights cannot do is done here instead.
import { el, failed } from "../console/dom.js";
import { linksTo, makeFrame } from "../console/frame.js";
import { MEMORY_PAGES } from "../console/pages/memory-pages.js";
import { connect } from "./host.js";
import { again, onMove, setUpLinks } from "./place.js";

const root = document.documentElement;
const frame = makeFrame({ pages: MEMORY_PAGES });

/** Forms of a frame that may not submit any do not even say that they were to be. */
function setUpForms() {
  document.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement} */ (event.target).closest("button");
    if (button?.type !== "submit" || button.disabled || !button.form) return;
    event.preventDefault();
    button.form.dispatchEvent(new SubmitEvent("submit", { bubbles: true, cancelable: true, submitter: button }));
  });
}

async function start() {
  document.getElementById("nav")?.replaceChildren(...linksTo(MEMORY_PAGES.filter(({ nav }) => nav)));
  document.getElementById("again")?.addEventListener("click", again);
  setUpLinks();
  setUpForms();
  onMove(() => frame.show());
  try {
    await connect();
    // The person is in a conversation, and stays there until they come here.
    await frame.show({ focus: false });
    root.dataset.appStatus = document.querySelector("#main > .failed") ? "failed" : "ready";
  } catch (error) {
    root.dataset.appStatus = "failed";
    document.getElementById("main")?.replaceChildren(el("h1", {}, "The host does not answer"), failed(error));
  }
}
start();
