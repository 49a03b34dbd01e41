// What the item tools need of a user's own tables: one request to the table per method. Knows nothing of how this product keeps
// its own state. Items are JSON in which numbers, bytes and sets that JSON lacks are tagged: {"$number"}, {"$binary"}, {"$set"};
// a name that begins with $ is written with two. What callers send is `unknown`, because it is checked here.

/** How far a table may be reached. */
export type ItemMode = "read-only" | "read-write";

/** The tables that may be reached, and how far. */
export interface ItemTables {
  readonly store: ItemStore;
  /** In the order in which they are shown. At least one. */
  readonly tables: readonly { readonly name: string; readonly mode: ItemMode }[];
  /** Whether whole tables may be read, page by page. Default true. */
  readonly scan?: boolean;
}

/** An item as JSON. */
export type Item = Readonly<Record<string, unknown>>;

/** One attribute of a key. */
export interface KeyAttribute {
  readonly name: string;
  readonly type: "string" | "number" | "binary";
}

/** What a table or an index is keyed by: up to four attributes for each role in an index, one in a table. */
export interface KeySchema {
  readonly partition: readonly KeyAttribute[];
  /** In the order in which they sort; empty without a sort key. */
  readonly sort: readonly KeyAttribute[];
}

/** A secondary index. */
export interface TableIndex extends KeySchema {
  readonly name: string;
  readonly kind: "global" | "local";
  /** What its items hold besides keys: everything, nothing, or these attributes. */
  readonly holds: "all" | "keys" | readonly string[];
}

/** What a table looks like. */
export interface TableShape extends KeySchema {
  readonly name: string;
  readonly indexes: readonly TableIndex[];
  /** As DynamoDB knows them: up to six hours old. */
  readonly itemCount: number;
  readonly sizeBytes: number;
}

/** Values by `:name` and attribute names by `#name`, for the expressions beside them. Each must be used. */
export interface Placeholders {
  readonly expressionValues?: unknown;
  readonly expressionNames?: unknown;
}

/** A write that may depend on the item as it is. */
export interface Conditional extends Placeholders {
  readonly condition?: string | undefined;
  /** Whether the caller may read the item: without it, no error and no answer shows what is stored. Default true. */
  readonly mayRead?: boolean;
}

/** Which page of a table or an index is wanted. Expressions are DynamoDB's. */
export interface PageRequest extends Placeholders {
  readonly filterExpression?: string | undefined;
  /** Paths such as `name`, `address.city`, `lines[0]`. */
  readonly projection?: readonly string[] | undefined;
  readonly indexName?: string | undefined;
  /** Items to examine at most; a filter comes after. */
  readonly limit: number;
  readonly consistent: boolean;
  readonly lastEvaluatedKey?: unknown;
}

/** A page of the items under one partition key. */
export interface QueryRequest extends PageRequest {
  readonly keyCondition: string;
  readonly scanForward: boolean;
}

/** `consumed`: read or write units. */
export interface Charged {
  readonly consumed: number;
}

/** Which attributes of items are wanted, and how fresh. */
export interface ReadOptions extends Pick<Placeholders, "expressionNames"> {
  readonly projection?: readonly string[] | undefined;
  readonly consistent: boolean;
}

/** What a batch of keys led to. */
export interface BatchRead extends Charged {
  readonly items: readonly Item[];
  /** Keys under which there is nothing. */
  readonly missing: readonly Item[];
  /** Keys that were not looked at: ask for them again. */
  readonly unprocessed: readonly Item[];
}

/** What a batch of writes did. */
export interface BatchWritten extends Charged {
  readonly put: number;
  readonly deleted: number;
  /** What was not written: send it again. */
  readonly unprocessed: { readonly puts: readonly Item[]; readonly deletes: readonly Item[] };
}

/** A page of items, and where the next one begins. */
export interface ItemPage extends Charged {
  readonly items: readonly Item[];
  /** Items examined for this page, before the filter. */
  readonly scanned: number;
  /** Where the next page begins; undefined on the last. */
  readonly lastEvaluatedKey: Item | undefined;
}

/**
 * Every method throws AppError: `invalid_input` with `details.field` for what cannot be sent or what the engine refuses,
 * `too_large`, `not_found` for a table that is missing, `conflict` with `details.item` when a condition does not hold,
 * `unavailable`.
 */
export interface ItemStore {
  /** `fresh`: as the table is now, and not as it was when it was first used. */
  describe(table: string, fresh?: boolean): Promise<TableShape>;
  put(table: string, item: unknown, options: Conditional): Promise<Charged & { key: Item; replaced: boolean }>;
  get(table: string, key: unknown, options: ReadOptions): Promise<Charged & { item: Item | undefined }>;
  /** Up to 100 keys. */
  batchGet(table: string, keys: readonly unknown[], options: ReadOptions): Promise<BatchRead>;
  /** Up to 25 writes, in no order and each for itself: a crash between them leaves some done. */
  batchWrite(table: string, puts: readonly unknown[], deletes: readonly unknown[]): Promise<BatchWritten>;
  /**
   * `updates`: new values or operations (`$remove`, `$add`, `$append`, `$prepend`, `$delete`) by attribute or path. `unavailable`
   * when an operation that counts got no answer: whether it was applied is then not known.
   */
  update(
    table: string,
    key: unknown,
    updates: unknown,
    options: Conditional & { mustExist: boolean },
  ): Promise<Charged & { item: Item | undefined }>;
  /** Resolves to the item as it was. */
  delete(table: string, key: unknown, options: Conditional): Promise<Charged & { item: Item | undefined }>;
  query(table: string, request: QueryRequest): Promise<ItemPage>;
  scan(table: string, request: PageRequest): Promise<ItemPage>;
}
