// Every page, with its address. To add one, write its file and give it a line here; `nav` puts it into the navigation, and `needs`
// names the tool without which there is nothing for it to show. Pages with `operator` are for those whom the server lets see what it does.
import { callPage, callsPage } from "./calls.js";
import { dataPage } from "./data.js";
import { MEMORY_PAGES } from "./memory-pages.js";
import { fleetPage, servicePage } from "./service.js";
import { startPage } from "./start.js";
import { taskPage, tasksPage } from "./tasks.js";
import { toolPage, toolsPage } from "./tools.js";

/**
 * @typedef {{ signal: AbortSignal, params: Record<string, string>, query: URLSearchParams }} View
 * `signal` is aborted when the person goes on.
 * @type {readonly import("../frame.js").Page[]}
 */
export const PAGES = [
  { path: "/", section: "start", nav: "Start", view: startPage },
  ...MEMORY_PAGES,
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
