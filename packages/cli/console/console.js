// The console's page: reads sessions, notes and values through the server's routes for programs, and changes nothing. What is stored
// becomes text nodes only. Knows no token: the server offers this page where none is asked for.

const main = /** @type {HTMLElement} */ (document.getElementById("main"));

/** Counts views: an answer that comes after a person has gone on is dropped. */
let view = 0;

async function tool(name, input) {
  const response = await fetch(`/tools/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(input),
  });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail ?? body.title ?? `The server answered with status ${response.status}`);
  return body;
}

/** An element with attributes and children; children that are strings become text. */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const time = (iso) => (iso ? new Date(iso).toLocaleString() : "time not known");

/** Characters that hide or turn text around are shown by their number. */
const visible = (text) =>
  text.replace(/[\p{Cc}\p{Cf}]/gu, (sign) =>
    sign === "\n" || sign === "\t" ? sign : `\\u{${sign.codePointAt(0).toString(16)}}`,
  );

const stored = (name, text) => element(name, { dir: "auto" }, visible(text));

const by = (entry, at) =>
  element("small", {}, visible([time(at), entry?.principal, entry?.client].filter(Boolean).join(" · ")));

/** A list that grows by a button. `read(cursor)` gives `{ rows, next }`. */
async function list(mine, empty, read) {
  const rows = element("ul", {});
  const box = element("div", {}, rows);
  const more = async (cursor) => {
    const page = await read(cursor);
    if (mine !== view) return;
    rows.append(...page.rows);
    if (rows.children.length === 0) box.replaceChildren(element("p", {}, empty));
    if (page.next === undefined) return;
    const button = element("button", { type: "button" }, "Show more");
    button.addEventListener("click", () => {
      button.remove();
      more(page.next).catch((error) => box.append(failed(error)));
    });
    box.append(button);
  };
  await more(undefined);
  return box;
}

const failed = (error) => element("p", { role: "alert" }, error.message);

async function sessions(mine) {
  const rows = await list(
    mine,
    "Nothing is stored yet. A session appears here when a client keeps its first note or value.",
    async (cursor) => {
      const page = await tool("list_sessions", { limit: 50, ...(cursor && { cursor }) });
      const row = (session) =>
        element(
          "li",
          {},
          element("a", { href: `#${encodeURIComponent(session.session_id)}` }, visible(session.session_id)),
          element("br", {}),
          element("small", {}, `used ${time(session.last_active_at)} · created ${time(session.created_at)}`),
        );
      return { rows: page.sessions.map(row), next: page.next_cursor };
    },
  );
  return [element("h1", {}, "Sessions"), rows];
}

async function session(mine, id) {
  const notes = await list(mine, "No notes.", async (cursor) => {
    const page = await tool("get_notes", {
      session_id: id,
      order: "newest",
      details: true,
      limit: 50,
      ...(cursor && { cursor }),
    });
    const rows = page.notes.map((text, index) => {
      const detail = page.details?.[index];
      return element("li", {}, stored("pre", text), by(detail, detail?.created_at));
    });
    return { rows, next: page.next_cursor };
  });
  const values = await list(mine, "No values.", async (cursor) => {
    const page = await tool("list_values", { session_id: id, details: true, limit: 25, ...(cursor && { cursor }) });
    const rows = page.values.map(({ key, version }, index) => {
      const detail = page.details?.[index];
      const size = element("small", {}, `version ${version} · ${detail?.bytes ?? "?"} bytes · `);
      return element(
        "li",
        {},
        stored("strong", key),
        stored("pre", detail?.preview ?? ""),
        size,
        by(detail, detail?.updated_at),
      );
    });
    return { rows, next: page.next_cursor };
  });
  return [element("h1", {}, visible(id)), element("h2", {}, "Notes"), notes, element("h2", {}, "Values"), values];
}

async function show() {
  view += 1;
  const mine = view;
  let parts;
  try {
    const id = decodeURIComponent(location.hash.slice(1));
    parts = id === "" ? await sessions(mine) : await session(mine, id);
  } catch (error) {
    parts = [element("h1", {}, "This could not be read"), failed(error)];
  }
  if (mine !== view) return;
  main.replaceChildren(...parts);
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
}

addEventListener("hashchange", show);
show();
