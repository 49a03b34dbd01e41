// What does the server offer? Let me try: arguments prefilled from the schema, the result with its duration, and the same for a shell.
import { bytes, count, el, facts, failed, longText, snippet, stored, visible, workButton } from "../dom.js";
import { about, callTool, newKey, Refused, textOf, tools, wasReplayed } from "../wire.js";

export async function toolsPage() {
  const offered = await tools();
  return [
    el("h1", {}, "Tools"),
    el("p", { class: "lead" }, `${count(offered.length, "tool")}, as clients see them.`),
    el(
      "ul",
      { class: "rows", "aria-label": "Tools" },
      offered.map((tool) =>
        el(
          "li",
          { "data-row": true, tabindex: "-1" },
          el("a", { href: `#/tools/${encodeURIComponent(tool.name)}`, "data-open": true }, visible(tool.name)),
          facts(
            tool.annotations?.readOnlyHint
              ? "only reads"
              : tool.annotations?.destructiveHint
                ? "changes or deletes"
                : "adds",
          ),
          stored("p", tool.description ?? "", { class: "described" }),
        ),
      ),
    ),
  ];
}

export async function toolPage({ params }) {
  const tool = (await tools()).find(({ name }) => name === params.tool);
  if (!tool) return [el("h1", {}, "There is no such tool"), el("p", {}, el("a", { href: "#/tools" }, "All tools"))];
  const { properties = {}, required = [] } = tool.inputSchema ?? {};
  const reads = tool.annotations?.readOnlyHint === true;
  const area = el("textarea", {
    id: "arguments",
    rows: "8",
    spellcheck: "false",
    class: "json",
    "data-edit": true,
    click: () => area.focus(),
  });
  area.value = JSON.stringify(prefilled(properties, required), null, 2);
  const curl = el("div", {});
  const showCurl = () => curl.replaceChildren(snippet("The same in a shell", curlOf(tool.name, area.value)));
  area.addEventListener("input", showCurl);
  showCurl();
  const outcome = el("section", { "aria-label": "Result", hidden: true });
  const run = async () => {
    let args;
    try {
      args = JSON.parse(area.value);
    } catch (error) {
      throw new Refused(`These arguments are not JSON: ${error.message}`);
    }
    // An idempotency key of the person's own stands among the arguments.
    const key = reads || args?.idempotency_key !== undefined ? undefined : newKey();
    const began = performance.now();
    /** @param {(ms: number) => any[]} parts */
    const show = (parts) => {
      const ms = performance.now() - began;
      outcome.hidden = false;
      outcome.replaceChildren(el("h2", {}, "Result"), ...parts(ms));
    };
    try {
      const result = await callTool(tool.name, args, { key });
      const text = result.structuredContent ? JSON.stringify(result.structuredContent, null, 2) : textOf(result);
      show((ms) => [
        facts(
          result.isError ? "✗ the tool refused" : "✓ done",
          `${ms.toFixed(0)} ms`,
          bytes(new TextEncoder().encode(text).length),
          wasReplayed(result) && "replayed: the answer of an earlier call with this key",
        ),
        longText(result.isError ? textOf(result) : text, "result.json"),
      ]);
    } catch (error) {
      show(() => [failed(error)]);
    }
    outcome.scrollIntoView({ block: "nearest" });
  };
  return [
    el("p", { class: "path" }, el("a", { href: "#/tools" }, "Tools")),
    el("h1", {}, visible(tool.name)),
    stored("p", tool.description ?? ""),
    argumentsTable(properties, required),
    el(
      "form",
      { submit: (event) => event.preventDefault() },
      el("label", { for: "arguments" }, "Arguments, as JSON"),
      area,
      el(
        "p",
        { class: "actions" },
        workButton(reads ? "Run" : "Run: this changes what is stored", run, { class: "primary" }),
      ),
    ),
    outcome,
    curl,
  ];
}

function argumentsTable(properties, required) {
  const names = Object.keys(properties);
  if (names.length === 0) return el("p", { class: "empty" }, "It takes no arguments.");
  return el(
    "details",
    {},
    el("summary", {}, count(names.length, "argument")),
    el(
      "dl",
      { class: "arguments" },
      names.map((name) => {
        const { type = "any", description = "", enum: choices } = properties[name] ?? {};
        const kind = choices ? choices.join(", ") : type;
        return [
          el("dt", {}, el("code", {}, visible(name)), required.includes(name) ? " required" : ""),
          el("dd", {}, el("small", {}, visible(kind)), " ", visible(description)),
        ];
      }),
    ),
  );
}

/** What must be given, and what has a default that a person may want to change. */
function prefilled(properties, required) {
  const entries = Object.entries(properties)
    .filter(([name, schema]) => required.includes(name) && schema.default === undefined)
    .map(([name, schema]) => [name, example(schema)]);
  return Object.fromEntries(entries);
}

function example({ type, enum: choices, minimum = 0 }) {
  if (choices) return choices[0];
  const first = Array.isArray(type) ? type[0] : type;
  return { string: "", integer: minimum, number: minimum, boolean: false, array: [], object: {} }[first] ?? null;
}

/** For a shell, in which nothing in single quotes means anything but the quote itself. */
function curlOf(name, text) {
  const quote = (part) => `'${part.replaceAll("'", "'\\''")}'`;
  let body = text;
  try {
    body = JSON.stringify(JSON.parse(text));
  } catch {
    // Shown as it stands until it is JSON.
  }
  const header = about().mode === "local" ? "" : `  -H "Authorization: Bearer $TOKEN" \\\n`;
  return `curl -s ${location.origin}/tools/${name} \\\n  -H 'Content-Type: application/json' \\\n${header}  -d ${quote(body)}`;
}
