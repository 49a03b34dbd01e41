// Puts one server into a configuration in YAML, as Goose keeps it; comments and everything else stay.
import { AppError } from "@stateful-mcp/core/runtime";
import { isMap, parseDocument } from "yaml";

/** The new text. Throws `AppError("invalid_input")` where the old one is no mapping, or something else stands in the way. */
export function withYamlEntry(text: string, { path, value }: { path: string[]; value: object }): string {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error) throw new AppError("invalid_input", `It is not valid YAML: ${error.message.split("\n")[0]}`);
  if (document.contents !== null && !isMap(document.contents))
    throw new AppError("invalid_input", "It holds no mapping");
  const [key = ""] = path;
  const parent: unknown = document.get(key);
  if (parent !== undefined && parent !== null && !isMap(parent))
    throw new AppError("invalid_input", `Its "${key}" is no mapping`);
  const current: unknown = document.toJS()?.[key]?.[path[1] ?? ""];
  // What the user has added to the entry, such as its environment, stays.
  const merged = typeof current === "object" && current !== null ? { ...current, ...value } : value;
  if (JSON.stringify(current) === JSON.stringify(merged)) return text;
  if (!isMap(parent) && document.contents !== null) document.set(key, document.createNode({}));
  document.setIn(path, document.createNode(merged));
  return document.toString({ lineWidth: 0 });
}
