// Reaches users' own tables: checks a request against the table's keys, sends it once, and answers in JSON. Knows nothing of
// which tables may be reached and by whom.
import type { AttributeValue, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { AppError } from "../errors.ts";
import { PAGE_MAX_BYTES } from "../limits.ts";
import { type Input, newDeadline, type OperationName, type Output, send } from "../stores/dynamodb-client.ts";
import { byteLength } from "../text.ts";
import { Expressions, refusal, render } from "./expressions.ts";
import type { Conditional, Item, ItemPage, ItemStore, PageRequest, QueryRequest, TableShape } from "./item-store.ts";
import {
  type Attributes,
  fromAttributes,
  fromName,
  isObject,
  itemBytes,
  refuse,
  toAttribute,
  toAttributes,
  toName,
} from "./json.ts";
import { keyAttributes, keyText, partitionIn, requireAnswerFits, TableShapes, toKey } from "./keys.ts";

/** DynamoDB's own bound. */
const ITEM_MAX_BYTES = 409_600;
/** What an error's sentence shows of an item; the whole of it is in the details. */
const SHOWN_MAX_CHARACTERS = 4_000;

interface Failure {
  readonly name: string;
  readonly message: string;
  readonly status: number | undefined;
  readonly item: Attributes | undefined;
}

/** The item tools' way to tables of the user's own. What a method may throw stands at `ItemStore`. */
export class DynamoDBItems implements ItemStore {
  readonly #client: DynamoDBClient;
  readonly #shapes: TableShapes;

  /** The client is the caller's, which closes it. */
  constructor(options: { client: DynamoDBClient }) {
    this.#client = options.client;
    this.#shapes = new TableShapes(async (table) => {
      const { Table } = await this.#send("DescribeTable", { TableName: table }, new Expressions());
      return Table;
    });
  }

  describe(table: string, fresh = false): Promise<TableShape> {
    return this.#shapes.get(table, fresh);
  }

  async get(table: string, key: unknown, options: { projection?: readonly string[] | undefined; consistent: boolean }) {
    const shape = await this.describe(table);
    const e = new Expressions();
    const projection = options.projection?.map((path) => e.path(path).sent);
    const input = {
      TableName: table,
      Key: toKey(shape, key, "key"),
      ConsistentRead: options.consistent,
      ReturnConsumedCapacity: "TOTAL" as const,
      ...(projection && { ProjectionExpression: [...new Set(projection)].join(", ") }),
      ...e.placeholders(),
    };
    const { Item, ConsumedCapacity } = await this.#send("GetItem", input, e);
    const item = Item && fromAttributes(Item);
    if (item) requireAnswerFits(item, "projection");
    return { item, consumed: ConsumedCapacity?.CapacityUnits ?? 0 };
  }

  async put(table: string, given: unknown, options: Conditional) {
    const shape = await this.describe(table);
    const item = toAttributes(given, "item");
    const names = keyAttributes(shape).map(({ name }) => name);
    const present = Object.entries(item).filter(([name]) => names.includes(name));
    const key = toKey(shape, fromAttributes(Object.fromEntries(present)), "item");
    requireItemFits(item, "item");
    const e = new Expressions(options);
    const { Attributes, ConsumedCapacity } = await this.#write(
      "PutItem",
      {
        TableName: table,
        Item: item,
        ReturnValues: "ALL_OLD",
        ReturnConsumedCapacity: "TOTAL",
        ...conditionOf(e, options),
      },
      e,
      key,
    );
    const replaced = Attributes !== undefined;
    return { key: fromAttributes(key), replaced, consumed: ConsumedCapacity?.CapacityUnits ?? 0 };
  }

  async update(table: string, given: unknown, updates: unknown, options: Conditional & { mustExist: boolean }) {
    const shape = await this.describe(table);
    const key = toKey(shape, given, "key");
    const e = new Expressions(options);
    const UpdateExpression = updateExpression(shape, updates, e);
    const exists = options.mustExist ? `attribute_exists(${e.name(shape.partition.name)})` : undefined;
    const { Attributes = {}, ConsumedCapacity } = await this.#write(
      "UpdateItem",
      {
        TableName: table,
        Key: key,
        UpdateExpression,
        ReturnValues: "ALL_NEW",
        ReturnConsumedCapacity: "TOTAL",
        ...conditionOf(e, options, exists),
      },
      e,
      key,
    );
    return { item: fromAttributes(Attributes), consumed: ConsumedCapacity?.CapacityUnits ?? 0 };
  }

  async delete(table: string, given: unknown, options: Conditional) {
    const shape = await this.describe(table);
    const key = toKey(shape, given, "key");
    const e = new Expressions(options);
    const { Attributes, ConsumedCapacity } = await this.#write(
      "DeleteItem",
      {
        TableName: table,
        Key: key,
        ReturnValues: "ALL_OLD",
        ReturnConsumedCapacity: "TOTAL",
        ...conditionOf(e, options),
      },
      e,
      key,
    );
    return { item: Attributes && fromAttributes(Attributes), consumed: ConsumedCapacity?.CapacityUnits ?? 0 };
  }

  async query(table: string, request: QueryRequest): Promise<ItemPage> {
    const shape = await this.describe(table);
    const { expressions, schema, keyNames, input, unwanted } = pageInput(shape, request);
    const keyCondition = expressions.parse(request.keyCondition, "key_condition");
    const partition = partitionIn(keyCondition, schema);
    const start = input.ExclusiveStartKey?.[schema.partition.name];
    // Not every engine minds: it would then answer from another partition.
    if (start && keyText(start) !== keyText(partition))
      return refuse("last_evaluated_key", "it belongs to a query of another partition; begin again without it.");
    const answer = await this.#send(
      "Query",
      {
        ...input,
        KeyConditionExpression: render(keyCondition),
        ScanIndexForward: request.scanForward,
        ...expressions.placeholders(),
      },
      expressions,
    );
    return toPage(answer, keyNames, unwanted);
  }

  async scan(table: string, request: PageRequest): Promise<ItemPage> {
    const shape = await this.describe(table);
    const { expressions, keyNames, input, unwanted } = pageInput(shape, request);
    const answer = await this.#send("Scan", { ...input, ...expressions.placeholders() }, expressions);
    return toPage(answer, keyNames, unwanted);
  }

  /** Like `#send`; a condition that does not hold becomes a `conflict` that shows the item. */
  async #write<N extends "PutItem" | "UpdateItem" | "DeleteItem">(
    name: N,
    input: Input<N>,
    e: Expressions,
    key: Attributes,
  ): Promise<Output<N>> {
    let repeated = false;
    const onSilence = () => {
      repeated = true;
    };
    const { ConditionExpression } = input;
    const whole = ConditionExpression === undefined ? {} : { ReturnValuesOnConditionCheckFailure: "ALL_OLD" as const };
    try {
      return await this.#send(name, { ...input, ...whole }, e, onSilence);
    } catch (thrown) {
      const { name: reason, item } = failure(thrown);
      if (reason !== "ConditionalCheckFailedException") throw thrown;
      // An engine that does not hand the item over answers as for an item that is not there.
      const stands = item ?? (await this.#look(input.TableName ?? "", key));
      throw conditionFailed(stands, repeated, thrown);
    }
  }

  async #look(table: string, key: Attributes): Promise<Attributes | undefined> {
    const input = { TableName: table, Key: key, ConsistentRead: true };
    return (await this.#send("GetItem", input, new Expressions())).Item;
  }

  async #send<N extends OperationName>(
    name: N,
    input: Input<N>,
    e: Expressions,
    onSilence?: () => void,
  ): Promise<Output<N>> {
    try {
      return await send(this.#client, name, input, newDeadline(), onSilence);
    } catch (thrown) {
      const table = input.TableName ?? "";
      const { name: reason, message, status } = failure(thrown instanceof AppError ? thrown.cause : thrown);
      if (reason === "ConditionalCheckFailedException") throw thrown;
      // The table may have been made anew with other keys.
      this.#shapes.forget(table);
      if (reason === "ResourceNotFoundException")
        throw new AppError(
          "not_found",
          `The table "${table}" does not exist there. Its operator must create it, or correct DYNAMODB_TABLE_NAME, AWS_REGION or DYNAMODB_ENDPOINT_URL.`,
          { details: { field: "table" }, cause: thrown },
        );
      if (thrown instanceof AppError || status === undefined || status >= 500) throw thrown;
      throw refusal(message, e, thrown);
    }
  }
}

/** What the SDK hangs on its errors. */
function failure(thrown: unknown): Failure {
  const error = (isObject(thrown) ? thrown : {}) as {
    name?: string;
    message?: string;
    $metadata?: { httpStatusCode?: number };
    Item?: Attributes;
  };
  return {
    name: error.name ?? "",
    message: error.message || error.name || "",
    status: error.$metadata?.httpStatusCode,
    item: error.Item && Object.keys(error.Item).length > 0 ? error.Item : undefined,
  };
}

function conditionFailed(stands: Attributes | undefined, repeated: boolean, cause: unknown): AppError {
  const item = stands && fromAttributes(stands);
  const text = JSON.stringify(item);
  const shown =
    item === undefined
      ? "There is no item with this key."
      : text.length <= SHOWN_MAX_CHARACTERS
        ? `The item is now: ${text}`
        : "The item is too large to be shown here: read it with get_item.";
  const doubt = repeated
    ? " An earlier attempt of this call got no answer and may be what the item shows."
    : " Nothing was written.";
  const details = {
    field: "condition",
    item: text === undefined || text.length <= PAGE_MAX_BYTES ? (item ?? null) : null,
  };
  return new AppError("conflict", `The condition does not hold.${doubt} ${shown}`, { details, cause });
}

function requireItemFits(item: Attributes, field: string): void {
  const bytes = itemBytes(item);
  if (bytes > ITEM_MAX_BYTES)
    throw new AppError(
      "too_large",
      `${field}: it has ${bytes} bytes; DynamoDB keeps at most ${ITEM_MAX_BYTES} in one item. Split it into several.`,
      { details: { field } },
    );
}

function conditionOf(e: Expressions, { condition }: Conditional, exists?: string) {
  const given = condition === undefined ? undefined : render(e.parse(condition, "condition"));
  const all = exists && given ? `${exists} AND (${given})` : (given ?? exists);
  return { ...(all !== undefined && { ConditionExpression: all }), ...e.placeholders() };
}

const isRemoval = (value: unknown): boolean =>
  isObject(value) && value.$remove === true && Object.keys(value).length === 1;

function updateExpression(shape: TableShape, updates: unknown, e: Expressions): string {
  if (!isObject(updates)) return refuse("updates", "it must be a JSON object of attribute names and new values.");
  const entries = Object.entries(updates);
  if (entries.length === 0) return refuse("updates", "it is empty; name at least one attribute and its new value.");
  const keys = keyAttributes(shape).map(({ name }) => name);
  const set: string[] = [];
  const remove: string[] = [];
  const values: Attributes = {};
  for (const [key, value] of entries) {
    const name = toName(key, "updates");
    if (name === "") return refuse("updates", "an attribute's name must not be empty.");
    if (keys.includes(name))
      return refuse(
        "updates",
        `${key} is part of the item's key and cannot change; put a new item and delete this one.`,
      );
    if (isRemoval(value)) remove.push(e.name(name));
    else {
      const attribute = toAttribute(value, `updates.${key}`);
      values[name] = attribute;
      set.push(`${e.name(name)} = ${e.value(attribute)}`);
    }
  }
  requireItemFits(values, "updates");
  return [set.length > 0 && `SET ${set.join(", ")}`, remove.length > 0 && `REMOVE ${remove.join(", ")}`]
    .filter(Boolean)
    .join(" ");
}

/** What query and scan have in common. */
function pageInput(shape: TableShape, request: PageRequest) {
  const { indexName, consistent, filterExpression, projection, lastEvaluatedKey } = request;
  const index = indexName === undefined ? undefined : shape.indexes.find(({ name }) => name === indexName);
  if (indexName !== undefined && !index) {
    const known = shape.indexes.map(({ name }) => name).join(", ");
    return refuse(
      "index_name",
      `${shape.name} has no index ${JSON.stringify(indexName.slice(0, 100))}; it has ${known || "none"}.`,
    );
  }
  if (consistent && index?.kind === "global")
    return refuse("consistent", `${index.name} is a global index, which is never consistent; leave it out.`);
  const e = new Expressions(request);
  const filter = filterExpression === undefined ? undefined : e.parse(filterExpression, "filter_expression");
  const keys = keyAttributes(shape, index);
  const start =
    lastEvaluatedKey === undefined ? undefined : toKey(shape, lastEvaluatedKey, "last_evaluated_key", index);
  const paths = projection?.map((path) => e.path(path));
  // A page that is cut needs the keys of its last item.
  const sent = paths && [...paths.map((path) => path.sent), ...keys.map(({ name }) => e.name(name))];
  const schema = index ?? shape;
  const input = {
    TableName: shape.name,
    Limit: request.limit,
    ConsistentRead: consistent,
    ReturnConsumedCapacity: "TOTAL" as const,
    ...(index && { IndexName: index.name }),
    ...(filter && { FilterExpression: render(filter) }),
    ...(sent && { ProjectionExpression: [...new Set(sent)].join(", ") }),
    ...(start && { ExclusiveStartKey: start }),
  };
  const keyNames = keys.map(({ name }) => name);
  const unwanted = paths ? keyNames.filter((name) => paths.every(({ top }) => top !== name)) : [];
  return { expressions: e, schema, keyNames, input, unwanted };
}

interface Answer {
  Items?: Attributes[] | undefined;
  ScannedCount?: number | undefined;
  LastEvaluatedKey?: Record<string, AttributeValue> | undefined;
  ConsumedCapacity?: { CapacityUnits?: number | undefined } | undefined;
}

/** Ends the page where it would have more bytes than a model reads; the next one begins there. */
function toPage(answer: Answer, keyNames: readonly string[], unwanted: readonly string[]): ItemPage {
  const items: Item[] = [];
  let last = answer.LastEvaluatedKey && fromAttributes(answer.LastEvaluatedKey);
  let bytes = 0;
  let before: Item | undefined;
  for (const stored of answer.Items ?? []) {
    const item = fromAttributes(stored);
    const key = Object.fromEntries(keyNames.map(fromName).map((name) => [name, item[name]]));
    for (const name of unwanted) delete item[fromName(name)];
    bytes += byteLength(JSON.stringify(item)) + 1;
    if (bytes > PAGE_MAX_BYTES) {
      if (!before) requireAnswerFits(item, "projection", { last_evaluated_key: key });
      last = before ?? key;
      break;
    }
    items.push(item);
    before = key;
  }
  return {
    items,
    scanned: answer.ScannedCount ?? items.length,
    lastEvaluatedKey: last,
    consumed: answer.ConsumedCapacity?.CapacityUnits ?? 0,
  };
}
