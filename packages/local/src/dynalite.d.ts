// What this package uses of dynalite, which ships no types.
declare module "dynalite" {
  import type { Server } from "node:http";

  export interface DynaliteOptions {
    path: string;
    createTableMs: number;
    deleteTableMs: number;
    updateTableMs: number;
  }
  export default function dynalite(options: DynaliteOptions): Server;
}

declare module "dynalite/db/index.js" {
  interface LevelIterator extends AsyncIterable<[string, { TableName: string; TableStatus: string }]> {
    close(): Promise<void>;
    return?: () => Promise<void>;
  }
  export interface Level {
    open(): Promise<void>;
    put(key: string, value: object): Promise<void>;
    iterator(range: { gte: string; lt: string }): LevelIterator;
    keys(range?: object): LevelIterator;
    values(range?: object): LevelIterator;
  }
  export interface Store {
    db: Level;
  }
  const storage: { create(options: object): Store };
  export default storage;
}
