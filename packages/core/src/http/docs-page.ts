// The OpenAPI document as a page that a person reads: one file, no scripts, nothing loaded from elsewhere.
import type { OpenApi, Operation } from "./openapi.ts";

type Schema = Record<string, unknown>;

/** How pages of the server look. */
export const STYLE = `
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
code { font: 0.9em ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.6rem; border-bottom: 1px solid #8884; }
h2 { margin-top: 2.5rem; }
nav a { display: inline-block; margin-right: 1rem; }`;

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
/** A text as HTML shows it. */
export const escaped = (text: unknown): string =>
  String(text).replace(/[&<>"']/g, (character) => ESCAPES[character] ?? "");

export function docsPage({ info, paths, security }: OpenApi): string {
  const operations = Object.entries(paths).map(([path, { post }]) => ({ path, post }));
  const links = operations.map(
    ({ post }) => `<a href="#${escaped(post.operationId)}">${escaped(post.operationId)}</a>`,
  );
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(info.title)}</title><style>${STYLE}</style></head>
<body>
<h1>${escaped(info.title)} ${escaped(info.version)}</h1>
<p>${escaped(info.description)} For programs: <a href="/openapi.json">openapi.json</a>.</p>
<p>Send <code>Content-Type: application/json</code>${security ? " and <code>Authorization: Bearer &lt;token&gt;</code>" : ""}. A call that fails answers <code>{"success": false, "error", "code"}</code> with a fitting status.</p>
<nav>${links.join("\n")}</nav>
${operations.map(({ path, post }) => section(path, post)).join("\n")}
</body>
</html>
`;
}

function section(path: string, post: Operation): string {
  const done = post.responses["200"];
  return `<h2 id="${escaped(post.operationId)}">${escaped(post.summary)}</h2>
<p><code>POST ${escaped(path)}</code>${post.parameters ? " · takes <code>Idempotency-Key</code>" : ""}</p>
<p>${escaped(post.description)}</p>
${fields("Send", post.requestBody.content["application/json"].schema)}
${done && "content" in done ? fields("Answer", done.content["application/json"].schema) : ""}`;
}

function fields(heading: string, schema: Schema): string {
  const { properties = {}, required = [] } = schema as { properties?: Record<string, Schema>; required?: string[] };
  const rows = Object.entries(properties).map(
    ([name, field]) =>
      `<tr><td><code>${escaped(name)}</code></td><td>${escaped(typeOf(field))}${required.includes(name) ? "" : ", optional"}</td><td>${escaped(field.description ?? "")}</td></tr>`,
  );
  return rows.length === 0 ? "" : `<table><tr><th>${heading}</th><th>Type</th><th></th></tr>${rows.join("")}</table>`;
}

function typeOf(field: Schema): string {
  if ("const" in field) return JSON.stringify(field.const);
  if (Array.isArray(field.enum)) return field.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (Array.isArray(field.anyOf)) return field.anyOf.map((one) => typeOf(one as Schema)).join(" | ");
  return String(field.type ?? "any JSON");
}
