// Where the pages stand in the MCP App: in a frame that a host has put into its own page. Addresses are kept here: what such a frame does
// with its own is different in each host, and a link would lead to the host's page.

let address = "#/memory";
const moves = new EventTarget();

export const IN_TAB = false;

export const here = () => address;
export const again = () => void moves.dispatchEvent(new Event("move"));
export function goTo(to) {
  address = to;
  again();
}
export const onMove = (listener) => moves.addEventListener("move", listener);

/** Has links lead to pages, for each button of the mouse. */
export function setUpLinks() {
  for (const kind of ["click", "auxclick"])
    document.addEventListener(kind, (event) => {
      const link = /** @type {HTMLElement} */ (event.target).closest("a");
      if (!link) return;
      event.preventDefault();
      goTo(link.getAttribute("href") ?? "");
    });
}
