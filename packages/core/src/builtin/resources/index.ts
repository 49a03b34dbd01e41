// The resources of the ready server, in the order clients see them.
import type { Resource } from "../../define/resource.ts";
import type { ItemTables } from "../../items/item-store.ts";
import { notesResource, sessionsResource, valueResource } from "./sessions.ts";
import { tableResources } from "./tables.ts";

/** Anonymous callers cannot list, so they are not offered to. */
export function builtinResources(options: { anonymous: boolean; items?: ItemTables | undefined }): Resource[] {
  const { anonymous, items } = options;
  return [
    ...(anonymous ? [] : [sessionsResource]),
    notesResource,
    valueResource,
    ...(items ? tableResources(items) : []),
  ];
}
