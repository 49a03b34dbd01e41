// Every page, with its address. To add one, write its file and give it a line here; `nav` puts it into the navigation, and `needs`
// names the tool without which there is nothing for it to show. Pages with `operator` are for those whom the server lets see what it does.
import { callPage, callsPage } from "./calls.js";
import { dataPage } from "./data.js";
import { memoryPage } from "./memory.js";
import { searchPage } from "./search.js";
import { fleetPage, servicePage } from "./service.js";
import { sessionPage } from "./session.js";
import { startPage } from "./start.js";
import { taskPage, tasksPage } from "./tasks.js";
import { toolPage, toolsPage } from "./tools.js";
import { valuePage } from "./value.js";

const session = ({ session: id }) => `/session/${encodeURIComponent(id)}`;

/**
 * @typedef {{ signal: AbortSignal, params: Record<string, string>, query: URLSearchParams }} View
 * `signal` is aborted when the person goes on.
 * @type {readonly { path: string, section: string, view: (view: any) => Promise<any[]> | any[], nav?: string, needs?: string,
 *   operator?: boolean, up?: (params: any) => string }[]}
 */
export const PAGES = [
  { path: "/", section: "start", nav: "Start", view: startPage },
  { path: "/memory", section: "memory", nav: "Memory", needs: "list_sessions", view: memoryPage, up: () => "/" },
  { path: "/session/:session", section: "memory", view: sessionPage, up: () => "/memory" },
  { path: "/session/:session/value/:key", section: "memory", view: valuePage, up: session },
  { path: "/session/:session/value", section: "memory", view: valuePage, up: session },
  { path: "/search", section: "search", nav: "Search", needs: "search_memory", view: searchPage, up: () => "/" },
  { path: "/tasks", section: "tasks", nav: "Tasks", needs: "list_tasks", view: tasksPage, up: () => "/" },
  { path: "/tasks/:task", section: "tasks", view: taskPage, up: () => "/tasks" },
  { path: "/calls", section: "calls", nav: "Calls", operator: true, view: callsPage, up: () => "/" },
  { path: "/calls/:call", section: "calls", view: callPage, up: () => "/calls" },
  { path: "/service", section: "service", nav: "Service", operator: true, view: servicePage, up: () => "/" },
  { path: "/fleet", section: "fleet", nav: "Fleet", operator: true, view: fleetPage, up: () => "/" },
  { path: "/tools", section: "tools", nav: "Tools", view: toolsPage, up: () => "/" },
  { path: "/tools/:tool", section: "tools", view: toolPage, up: () => "/tools" },
  { path: "/data", section: "data", nav: "Your data", needs: "list_sessions", view: dataPage, up: () => "/" },
];
