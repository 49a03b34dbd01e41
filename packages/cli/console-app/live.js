// Keeps a page of the MCP App up to date: it is read again when the host has called the page's tool, and when the page comes into sight
// again. It asks for nothing by itself: a host may show each call to its person.
import { news } from "./host.js";

/**
 * @param {{ signal: AbortSignal }} view
 * @param {readonly string[]} _uris
 * @param {() => Promise<void> | void} onChange
 */
export function follow({ signal }, _uris, onChange) {
  const look = async () => {
    try {
      await onChange();
    } catch {
      // What cannot be read now is read at the next occasion.
    }
  };
  news.addEventListener("result", look, { signal });
  document.addEventListener(
    "visibilitychange",
    () => {
      if (document.visibilityState === "visible") look();
    },
    { signal },
  );
}
