// The page's one way to the server: MCP of revision 2026-07-28 on POST /mcp, as any client speaks it, so that its calls are checked,
// limited and logged, and its writes carry who and with what. Holds the token, in sessionStorage and nowhere else. Knows no page.

const REVISION = "2026-07-28";
const META = "io.modelcontextprotocol/";
const OURS = "io.github.stateful-mcp/";
const TOKEN = "stateful-mcp-token";
const RETRIES = 2;

/** What the server would not do: a code for the page, a sentence for the person. */
export class Refused extends Error {
  /** @param {string} message @param {Record<string, any>} [facts] */
  constructor(message, facts = {}) {
    super(message);
    this.name = "Refused";
    this.code = facts.code;
    this.facts = facts;
  }
}

export const isSignedOut = (error) => error instanceof Refused && error.code === "unauthenticated";

export const token = {
  get: () => sessionStorage.getItem(TOKEN) ?? "",
  set: (value) => sessionStorage.setItem(TOKEN, value),
  forget: () => sessionStorage.clear(),
};

/** What the server says of itself; `version` is also this page's. */
let server = { name: "", version: "0", mode: "", access: "", protocol: [], backend: "", operator: false };
export const about = () => server;
export async function loadAbout(signal) {
  const facts = await json(await ask("/console/api/server", { signal }));
  server = { ...facts, operator: await isOperator(signal) };
  return server;
}

/** Whether the server lets this caller see what it does. Asked with a request that the server refuses after the rights, before it reads. */
const isOperator = (signal) =>
  ask("/console/api/service?window=none", { signal }).then(
    () => true,
    (error) => error.code === "invalid_input",
  );

/** Any request to the server's own routes. @throws Refused for an answer that is no success. */
export async function ask(path, { headers = {}, ...init } = /** @type {any} */ ({})) {
  const authorization = token.get() === "" ? {} : { Authorization: `Bearer ${token.get()}` };
  const response = await fetch(path, { ...init, headers: { ...authorization, ...headers }, cache: "no-store" });
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  const message =
    body.detail ?? body.error?.message ?? body.error ?? `The server answered with status ${response.status}.`;
  const code = response.status === 401 ? "unauthenticated" : body.code;
  throw new Refused(message, { ...body, code, status: response.status });
}
const json = (response) => response.json();

const post = (method, params, { signal, meta = {} } = /** @type {any} */ ({})) => {
  const envelope = {
    [`${META}protocolVersion`]: REVISION,
    [`${META}clientInfo`]: { name: "stateful-mcp-console", version: server.version },
    [`${META}clientCapabilities`]: {},
    ...meta,
  };
  const body = { jsonrpc: "2.0", id: randomId(), method, params: { ...params, _meta: envelope } };
  const headers = {
    "Content-Type": "application/json",
    Accept: "application/json, text/event-stream",
    "MCP-Protocol-Version": REVISION,
    "Mcp-Method": method,
    ...(params.name && { "Mcp-Name": params.name }),
  };
  return ask("/mcp", { method: "POST", headers, body: JSON.stringify(body), signal });
};

/** `crypto.randomUUID` is missing where a page comes over plain HTTP from another machine. */
const randomId = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** One request and its result. @throws Refused for an error of the protocol. */
export async function request(method, params = {}, options = {}) {
  const response = await post(method, params, options);
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
  let message;
  if (isStream) for await (const frame of frames(response)) message = frame;
  else message = await response.json();
  if (message?.error) throw new Refused(message.error.message, { code: message.error.code });
  return message?.result ?? {};
}

/**
 * Calls a tool and resolves to the whole result. A write has an idempotency key of its own: sent again after a lost answer, it has no
 * second effect.
 */
export async function callTool(name, args = {}, { signal, key } = /** @type {any} */ ({})) {
  const meta = key === undefined ? {} : { [`${OURS}idempotency-key`]: key };
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await request("tools/call", { name, arguments: args }, { signal, meta });
    } catch (error) {
      // A TypeError is fetch's: no answer came.
      if (!(error instanceof TypeError) || attempt >= RETRIES || signal?.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, 300 * (attempt + 1)));
    }
  }
}

async function structured(name, args, options) {
  const result = await callTool(name, args, options);
  if (result.isError) throw new Refused(textOf(result), result._meta?.[`${OURS}error`]);
  return result.structuredContent ?? {};
}
export const textOf = ({ content = [] }) => content.map((block) => block.text ?? "").join("\n");
export const wasReplayed = (result) => result._meta?.[`${OURS}replayed`] === true;
export const newKey = () => `console-${randomId()}`;

/** Calls a tool that only reads. @param {string} name @param {object} [args] @param {AbortSignal} [signal] */
export const read = (name, args, signal) => structured(name, args, { signal });
/** Calls a tool that changes something. It is finished even if the person goes on to another page. */
export const write = async (name, args) => {
  const confirm = (await tools()).find((tool) => tool.name === name)?.inputSchema?.properties?.confirm;
  // The person at the page is the one who would be asked.
  return structured(name, { ...args, ...(confirm && { confirm: true }) }, { key: newKey() });
};

/** @type {Promise<any[]> | undefined} */
let known;
/** The tools that the server offers, asked for once. */
export function tools() {
  known ??= request("tools/list").then((result) => result.tools ?? []);
  known.catch(() => {
    known = undefined;
  });
  return known;
}
export const forgetTools = () => {
  known = undefined;
};

/** A stream of changes of these resources. Each frame is a message; leaving the loop ends the stream. */
export async function* listen(uris, signal) {
  const response = await post("subscriptions/listen", { notifications: { resourceSubscriptions: uris } }, { signal });
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
    const { error } = await response.json();
    throw new Refused(error?.message ?? "The server holds no streams.", { code: error?.code });
  }
  yield* frames(response);
}

async function* frames(response) {
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("data: ")) yield JSON.parse(line.slice("data: ".length));
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
