// The bridge to the host that shows the MCP App, as the extension io.modelcontextprotocol/ui of 2026-01-26 has it: messages of JSON-RPC to
// and from the window around this one. Knows no page and no tool.

const REVISION = "2026-01-26";
/** What is higher is scrolled here: what stands over a page stays in sight, and the conversation does not become endless. */
const HEIGHT_MAX = 640;
const METHOD_NOT_FOUND = -32601;

let lastId = 0;
/** @type {Map<number, { resolve: (result: any) => void, reject: (error: unknown) => void }>} */
const asked = new Map();
/** Dispatches `result`: the host has called the tool of this page again, or for the first time. */
export const news = new EventTarget();

/** What the host answers with an error. `code` is that of JSON-RPC. */
export class HostError extends Error {
  constructor({ code, message }) {
    super(message || "The host did not do this, and does not say why.");
    this.code = code;
  }
}

// Which page the host is, and on which origin, is not known here, and nothing that is sent is a secret to it.
const send = (message) => window.parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
const tell = (method, params = {}) => send({ method, params });

/** One request to the host and its result. @throws HostError @param {string} method @param {object} params */
export function request(method, params) {
  lastId += 1;
  const id = lastId;
  send({ id, method, params });
  return new Promise((resolve, reject) => asked.set(id, { resolve, reject }));
}

function take({ id, method, params, result, error }) {
  if (method === undefined) {
    const waiting = asked.get(id);
    asked.delete(id);
    if (error) waiting?.reject(new HostError(error));
    else waiting?.resolve(result);
    return;
  }
  if (method === "ui/notifications/tool-result") news.dispatchEvent(new Event("result"));
  if (method === "ui/notifications/host-context-changed") showTheme(params);
  if (id === undefined) return;
  if (method === "ping" || method === "ui/resource-teardown") send({ id, result: {} });
  else send({ id, error: { code: METHOD_NOT_FOUND, message: `There is no ${method} here.` } });
}

/** Contexts that a host sends later name only what has changed. */
function showTheme({ theme } = /** @type {any} */ ({})) {
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}

/** Opens the bridge; resolves when the host lets the page work. */
export async function connect() {
  addEventListener("message", ({ source, data }) => {
    if (source === window.parent && data?.jsonrpc === "2.0") take(data);
  });
  const { hostContext } = await request("ui/initialize", {
    protocolVersion: REVISION,
    appInfo: { name: "stateful-mcp-memory", version: "1" },
    appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
  });
  showTheme(hostContext);
  tell("ui/notifications/initialized");
  new ResizeObserver(() => {
    const height = Math.min(Math.ceil(document.body.getBoundingClientRect().height), HEIGHT_MAX);
    tell("ui/notifications/size-changed", { height });
  }).observe(document.body);
}
