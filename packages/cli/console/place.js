// Where the pages stand: in a tab of their own, whose address says after `#` which page is shown. Knows no page. In the MCP App the file
// of this name in `console-app` stands in its place.

/** Whether pages have a tab of their own, in which a person goes back, saves files and finds the start page. */
export const IN_TAB = true;

/** The address of the page that is shown, from its `#` on. */
export const here = () => location.hash;

/** Has the page shown anew. */
export const again = () => void dispatchEvent(new HashChangeEvent("hashchange"));

/** Has the page of this address shown; where it is shown already, anew. @param {string} address from its `#` on */
export function goTo(address) {
  if (location.hash === address) again();
  else location.hash = address;
}

/** @param {() => void} listener called when another page, or the same one anew, is to be shown */
export const onMove = (listener) => addEventListener("hashchange", listener);
