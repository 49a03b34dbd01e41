// The resources of the ready server, in the order clients see them.
import type { Resource } from "../resource.ts";
import { notesResource, sessionsResource, valueResource } from "./sessions.ts";

/** Anonymous callers cannot list, so they are not offered to. */
export function builtinResources(options: { anonymous: boolean }): Resource[] {
  return [...(options.anonymous ? [] : [sessionsResource]), notesResource, valueResource];
}
