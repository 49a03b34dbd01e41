// The resources of the ready server, in the order clients see them.
import type { Resource } from "../../define/resource.ts";
import type { ItemTables } from "../../items/item-store.ts";
import { notesResource, sessionsResource, valueResource } from "./sessions.ts";
import { tableResources } from "./tables.ts";
import { type MemoryView, memoryViewResource } from "./view.ts";

/** What the resources of the ready server depend on. */
export interface BuiltinResourcesOptions {
  /** Anonymous callers cannot list, so they are not offered to. */
  anonymous: boolean;
  /** Tables of the user's own. Default: none, and no resources for them. */
  items?: ItemTables | undefined;
  /** The page that `show_memory` opens. Default: none. */
  memoryView?: MemoryView | undefined;
}

/** The resources of the ready server, for an app that has them beside its own. */
export function builtinResources(options: BuiltinResourcesOptions): Resource[] {
  const { anonymous, items, memoryView } = options;
  return [
    ...(anonymous ? [] : [sessionsResource]),
    notesResource,
    valueResource,
    ...(items ? tableResources(items) : []),
    ...(memoryView ? [memoryViewResource(memoryView)] : []),
  ];
}
