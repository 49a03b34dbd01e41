// State in one SQLite file, apart from the rest so that an app which keeps its state elsewhere never loads SQLite.
export { SqliteStore, storedEntryOf } from "./stores/sqlite.ts";
export type { StoredEntry } from "./stores/table-store.ts";
