// The tools of the ready server, in the order clients see them.

import type { Tool } from "../../define/tool.ts";
import type { ItemTables } from "../../items/item-store.ts";
import type { MemoryView } from "../resources/view.ts";
import { echoCached } from "./echo.ts";
import { itemTools } from "./items.ts";
import { addNote, deleteNote, getNotes, updateNote } from "./notes.ts";
import { searchMemory } from "./search.ts";
import { createSession, deleteSession, listSessions, resetSession, sessionInfo } from "./sessions.ts";
import { showMemory } from "./show.ts";
import { deleteValue, getValue, incrementValue, listValues, storeValue } from "./values.ts";

/** What the descriptions of the ready server's tools depend on. */
export interface BuiltinToolsOptions {
  /** Shown by session_info. */
  backend: string;
  /** Anonymous callers cannot list, so they are not offered to. */
  anonymous: boolean;
  /** Sliding lifetime of a session in seconds; 0: never ends. */
  ttlSeconds: number;
  /** Tables of the user's own. Default: none, and no tools for them. */
  items?: ItemTables | undefined;
  /** The page that `show_memory` opens, which `builtinResources` must have as well. Default: none, and no such tool. */
  memoryView?: MemoryView | undefined;
}

/** The tools of the ready server, for an app that has them beside its own. */
export function builtinTools(options: BuiltinToolsOptions): Tool[] {
  const { backend, anonymous, ttlSeconds, items, memoryView } = options;
  const retention =
    ttlSeconds === 0
      ? "It is kept until you delete it."
      : `It ends ${ttlSeconds} seconds after its last use unless ttl_seconds says otherwise.`;
  const features = ["sessions", "notes", "values", "cache", ...(items ? ["items"] : [])];
  return [
    createSession(retention),
    ...(anonymous ? [] : [listSessions]),
    sessionInfo(backend, features),
    resetSession,
    deleteSession,
    addNote,
    getNotes,
    updateNote,
    deleteNote,
    storeValue,
    getValue,
    listValues,
    deleteValue,
    incrementValue,
    searchMemory,
    ...(memoryView ? [showMemory] : []),
    echoCached,
    ...(items ? itemTools(items) : []),
  ];
}
