// State in one SQLite file, apart from the rest so that an app which keeps its state elsewhere never loads SQLite.

export type { StoredEntry } from "./stores/ordered-table-store.ts";
export { SqliteStore, storedEntryOf } from "./stores/sqlite-store.ts";
