// The pages about a person's memory: those that the MCP App has too.
import { memoryPage } from "./memory.js";
import { searchPage } from "./search.js";
import { sessionPage } from "./session.js";
import { valuePage } from "./value.js";

const session = ({ session: id }) => `/session/${encodeURIComponent(id)}`;

/** @type {readonly import("../frame.js").Page[]} */
export const MEMORY_PAGES = [
  { path: "/memory", section: "memory", nav: "Memory", needs: "list_sessions", view: memoryPage, up: () => "/" },
  { path: "/session/:session", section: "memory", view: sessionPage, up: () => "/memory" },
  { path: "/session/:session/value/:key", section: "memory", view: valuePage, up: session },
  { path: "/session/:session/value", section: "memory", view: valuePage, up: session },
  { path: "/search", section: "search", nav: "Search", needs: "search_memory", view: searchPage, up: () => "/" },
];
