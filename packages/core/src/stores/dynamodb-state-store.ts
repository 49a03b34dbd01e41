// Keeps entries in one DynamoDB table (or any engine that speaks its language). The meaning of each condition is in
// dynamodb-conditions.ts, the way out in dynamodb-send.ts; this file is the contract's methods.
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { type Clock, epochSeconds, systemClock } from "../clock.ts";
import {
  createCondition,
  StateExpression,
  toAttributeValue,
  updateCondition,
  updateExpression,
} from "./dynamodb-conditions.ts";
import {
  FIELD,
  type StoredItem as FlatItem,
  requireAttributes,
  requireChange,
  requireEntryFits,
  requireEpochSeconds,
  requireKey,
  requireKeys,
  requireListing,
  sumOutOfRange,
  toEntry,
  toItem,
  tooLarge,
} from "./dynamodb-layout.ts";
import {
  type Client,
  type Input,
  leftUnprocessed,
  newDeadline,
  type OperationName,
  type Output,
  send,
} from "./dynamodb-send.ts";
import type {
  Attributes,
  Change,
  CreateOptions,
  CreateResult,
  Entry,
  Key,
  ListOptions,
  Page,
  StateStore,
  TableUse,
  UpdateOptions,
  UpdateResult,
} from "./state-store.ts";

type StoredItem = Record<string, AttributeValue>;

/** State in a DynamoDB table that `setupTable` or the CDK constructs made. What a method may throw stands at `StateStore`. */
export class DynamoDBStore implements StateStore {
  readonly #client: Client;
  readonly #table: string;
  readonly #clock: Clock;

  /** The client is the caller's: `close` leaves it open, for others may share it. */
  constructor(options: { client: Client; table: string; clock?: Clock }) {
    this.#client = options.client;
    this.#table = options.table;
    this.#clock = options.clock ?? systemClock;
  }

  measured<T>(use: TableUse, work: () => T): T {
    return this.#client.use ? this.#client.use.run(use, work) : work();
  }

  async get(key: Key): Promise<Entry | undefined> {
    const entry = await this.#look(key);
    return entry?.dead ? undefined : entry;
  }

  async getMany(keys: readonly Key[]): Promise<readonly (Entry | undefined)[]> {
    requireKeys(keys);
    const ask = (stored: StoredItem[]) => ({ [this.#table]: { Keys: stored, ConsistentRead: true } });
    const input = { RequestItems: ask(keys.map(toStoredKey)) };
    const found: Entry[] = [];
    await this.#call("BatchGetItem", input, undefined, undefined, ({ Responses, UnprocessedKeys }) => {
      for (const item of Responses?.[this.#table] ?? []) found.push(this.#toEntry(item));
      const { Keys: left = [] } = UnprocessedKeys?.[this.#table] ?? {};
      if (left.length === 0) return;
      // The next attempt asks for these alone.
      input.RequestItems = ask(left);
      throw leftUnprocessed();
    });
    // Answers come in any order.
    return keys.map(({ pk, sk }) => found.find(({ key, dead }) => !dead && key.pk === pk && key.sk === sk));
  }

  async create(key: Key, attributes: Attributes, options: CreateOptions): Promise<CreateResult> {
    requireKey(key);
    requireAttributes(attributes);
    requireEpochSeconds(options.expiresAt);
    const e = new StateExpression(epochSeconds(this.#clock));
    const item = toItem({
      key,
      attributes,
      version: 1,
      ...(options.expiresAt === undefined ? {} : { expiresAt: options.expiresAt }),
      createdBy: options.id,
      slots: {},
      watermark: 0,
      buried: false,
    });
    requireEntryFits(item);
    const attempt = await this.#write("PutItem", key, {
      TableName: this.#table,
      Item: toStoredItem(item),
      ConditionExpression: createCondition(e, options),
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
      ...e.placeholders(),
    });
    if (attempt.done) return { written: true, entry: toEntry(item, e.now), repeated: false };
    const { current } = attempt;
    return current?.createdBy === options.id
      ? { written: true, entry: current, repeated: true }
      : { written: false, current };
  }

  async update(key: Key, change: Change, options: UpdateOptions): Promise<UpdateResult> {
    requireKey(key);
    requireChange(change, options);
    requireEntryFits(change.set ?? {});
    const { operation } = options;
    const e = new StateExpression(epochSeconds(this.#clock));
    const attempt = await this.#write("UpdateItem", key, {
      TableName: this.#table,
      Key: toStoredKey(key),
      UpdateExpression: updateExpression(e, change, options),
      ConditionExpression: updateCondition(e, change, options),
      ReturnValues: "ALL_NEW",
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
      ...e.placeholders(),
    });
    if (attempt.done) {
      const entry = this.#toEntry(attempt.output.Attributes ?? {});
      const result = change.increment && entry.attributes[change.increment.attribute];
      const { version } = entry;
      return { applied: true, repeated: false, version, ...(typeof result === "number" ? { result } : {}), entry };
    }
    const { current } = attempt;
    const slot = operation && current?.slots[operation.slot];
    if (current && slot?.stamp === operation?.stamp && slot) {
      const { stamp: _, ...recorded } = slot;
      return { applied: true, repeated: true, ...recorded, entry: current };
    }
    return { applied: false, current, ...(attempt.straggler && { straggler: true }) };
  }

  async delete(key: Key): Promise<boolean> {
    requireKey(key);
    const input = { TableName: this.#table, Key: toStoredKey(key), ReturnValues: "ALL_OLD" } as const;
    const { Attributes } = await this.#call("DeleteItem", input);
    return Attributes !== undefined;
  }

  async list(pk: string, options: ListOptions): Promise<Page> {
    requireListing(pk, options);
    const { prefix = "", limit, order } = options;
    const start = startOf(options);
    if (start === "nowhere") return { entries: [] };
    const e = new StateExpression(epochSeconds(this.#clock));
    const inPartition = `${e.name(FIELD.pk)} = ${e.value(pk)}`;
    // An empty prefix is no prefix: the engine refuses empty text in a key condition.
    const withPrefix = prefix === "" ? "" : ` AND begins_with(${e.name(FIELD.sk)}, ${e.value(prefix)})`;
    const { Items = [], LastEvaluatedKey } = await this.#call("Query", {
      TableName: this.#table,
      ConsistentRead: true,
      KeyConditionExpression: inPartition + withPrefix,
      ScanIndexForward: order !== "descending",
      Limit: limit,
      ...(start === "edge" ? {} : { ExclusiveStartKey: toStoredKey({ pk, sk: start.after }) }),
      ...e.placeholders(),
    });
    const next = LastEvaluatedKey?.[FIELD.sk]?.S;
    const entries = Items.map((item) => this.#toEntry(item)).filter((entry) => !entry.dead);
    return { entries, ...(next === undefined ? {} : { next }) };
  }

  /** Half a read unit: an eventually consistent read of an item that is not there. */
  async ping(): Promise<void> {
    await this.#call("GetItem", { TableName: this.#table, Key: toStoredKey({ pk: "ping", sk: "ping" }) });
  }

  async close(): Promise<void> {}

  /** What stands there, dead or alive. */
  async #look(key: Key, deadline?: number): Promise<Entry | undefined> {
    requireKey(key);
    const input = { TableName: this.#table, Key: toStoredKey(key), ConsistentRead: true };
    const { Item } = await this.#call("GetItem", input, deadline);
    return Item && this.#toEntry(Item);
  }

  /**
   * A failed condition says nothing yet: the first attempt may have been applied and only its reply lost. So its answer is
   * what stands there now, in which the caller looks for its own operation before anything else.
   */
  async #write<N extends "PutItem" | "UpdateItem">(
    name: N,
    key: Key,
    input: Input<N>,
  ): Promise<{ done: true; output: Output<N> } | { done: false; current: Entry | undefined; straggler: boolean }> {
    const deadline = newDeadline();
    let straggler = false;
    const onSilence = () => {
      straggler = true;
    };
    try {
      return { done: true, output: await this.#call(name, input, deadline, onSilence) };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // Not every engine hands the item over; then one strong read finds it.
      const current = error.Item ? this.#toEntry(error.Item) : await this.#look(key, deadline);
      return { done: false, current, straggler };
    }
  }

  /** Every request of the store leaves here. */
  async #call<N extends OperationName>(
    name: N,
    input: Input<N>,
    deadline?: number,
    onSilence?: () => void,
    check?: (answer: Output<N>) => void,
  ): Promise<Output<N>> {
    try {
      return await send(this.#client, name, input, deadline, onSilence, check);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "ValidationException") throw error;
      if (/item size/i.test(error.message)) throw tooLarge(undefined, error);
      if (/number overflow|number underflow|significant digits|magnitude/i.test(error.message))
        throw sumOutOfRange(error);
      throw error;
    }
  }

  #toEntry(item: StoredItem): Entry {
    return toEntry(fromStoredItem(item), epochSeconds(this.#clock));
  }
}

const isRefusal = (error: unknown): error is Error & { Item?: StoredItem } =>
  error instanceof Error && error.name === "ConditionalCheckFailedException";

/** An `ExclusiveStartKey` outside the prefix is an error to the engine; in a listing it means one end or the other. */
function startOf({ prefix = "", after, order }: ListOptions): { after: string } | "edge" | "nowhere" {
  if (after === undefined) return "edge";
  if (after !== "" && after.startsWith(prefix)) return { after };
  const beforePrefix = after === "" || Buffer.compare(Buffer.from(after), Buffer.from(prefix)) < 0;
  return beforePrefix === (order !== "descending") ? "edge" : "nowhere";
}

const toStoredKey = ({ pk, sk }: Key): StoredItem => ({ [FIELD.pk]: { S: pk }, [FIELD.sk]: { S: sk } });

const toStoredItem = (item: FlatItem): StoredItem =>
  Object.fromEntries(Object.entries(item).map(([field, value]) => [field, toAttributeValue(value)]));

/** Attributes of kinds that this store does not write are left out: a newer version's, or an operator's. */
function fromStoredItem(item: StoredItem): FlatItem {
  const fields: [string, string | number | boolean][] = [];
  for (const [field, { S, N, BOOL }] of Object.entries(item)) {
    const value = S ?? BOOL ?? (N === undefined ? undefined : Number(N));
    if (value !== undefined) fields.push([field, value]);
  }
  return Object.fromEntries(fields);
}
