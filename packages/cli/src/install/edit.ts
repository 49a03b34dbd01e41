// Puts one server into the text of a configuration and leaves everything else as it is: other servers, comments, indentation.
import { AppError } from "@stateful-mcp/core/runtime";
import { createTwoFilesPatch } from "diff";
import { applyEdits, type Edit, modify, type ParseError, parse, printParseErrorCode } from "jsonc-parser";

/** The new text. Throws `AppError("invalid_input")` where the old one is no JSON object, or something else stands in the way. */
export function withEntry(text: string, { path, value }: { path: string[]; value: object }): string {
  const [key = "", name = ""] = path;
  const errors: ParseError[] = [];
  const bom = text.startsWith("\uFEFF") ? "\uFEFF" : "";
  const body = text.slice(bom.length).trim() === "" ? "{}\n" : text.slice(bom.length);
  const before: unknown = parse(body, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first) {
    const line = body.slice(0, first.offset).split("\n").length;
    throw new AppError("invalid_input", `It is not valid JSON: ${printParseErrorCode(first.error)} in line ${line}`);
  }
  if (!isObject(before)) throw new AppError("invalid_input", "It holds no JSON object");
  if (before[key] !== undefined && !isObject(before[key])) {
    throw new AppError("invalid_input", `Its "${key}" is no JSON object`);
  }
  const current = isObject(before[key]) ? before[key][name] : undefined;
  // What the user has added to the entry, such as its environment, stays.
  const merged = isObject(current) ? { ...current, ...value, ...environment(current, { ...value }) } : value;
  if (JSON.stringify(current) === JSON.stringify(merged)) return text;
  const depth = isObject(before[key]) ? path.length : 1;
  // First in its object: comments behind other entries stay where they are.
  const edits = modify(body, path, merged, { getInsertionIndex: () => 0 });
  return (
    bom +
    applyEdits(
      body,
      edits.map((edit) => laidOut(edit, body, depth)),
    )
  );
}

/**
 * The edit in the style of the text around it. The library's own formatting rewrites what stands beside the edit, too.
 * `depth` counts the levels of indentation of an inserted property.
 */
function laidOut(edit: Edit, body: string, depth: number): Edit {
  const unit = /^(\t| +)\S/m.exec(body)?.[1] ?? "  ";
  const eol = body.includes("\r\n") ? "\r\n" : "\n";
  const indented = (json: string, levels: number) =>
    JSON.stringify(JSON.parse(json), null, unit).replaceAll("\n", eol + unit.repeat(levels));
  if (edit.length > 0) return { ...edit, content: indented(edit.content, depth) };
  const comma = edit.content.endsWith(",") ? "," : "";
  const object = indented(`{${edit.content.slice(0, edit.content.length - comma.length)}}`, depth - 1);
  const property = object.slice(1, object.lastIndexOf(eol));
  const rest = body.slice(edit.offset);
  if (/^[ \t]*(\/\/.*)?\r?\n/.test(rest)) return { ...edit, content: property + comma };
  const spaces = /^[ \t]*/.exec(rest)?.[0].length ?? 0;
  return { ...edit, length: spaces, content: property + comma + eol + unit.repeat(comma ? depth : depth - 1) };
}

function environment(current: Record<string, unknown>, value: Record<string, unknown>): object {
  const [before, after] = [current.env, value.env];
  return isObject(before) && isObject(after) ? { env: { ...before, ...after } } : {};
}

/** What changes between two texts of a file, for a person. */
export const difference = (file: string, before: string, after: string): string =>
  createTwoFilesPatch(file, file, before, after, "now", "then", { context: 2 }).split("\n").slice(2).join("\n");

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
