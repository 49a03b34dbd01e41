// Reaches users' own tables: checks a request against the table's keys, sends it once, and answers in JSON. Knows nothing of
// which tables may be reached and by whom.
import { AppError } from "../errors.ts";
import {
  type Client,
  type Input,
  newDeadline,
  type OperationName,
  type Output,
  send,
} from "../stores/dynamodb-send.ts";
import { batchGetInput, batchWriteInput, toBatchRead, toBatchWritten } from "./batches.ts";
import { projectionOf, UserExpressions } from "./expressions.ts";
import { conditionFailed, failure, isAboutShape, refusal, unknownUpdate } from "./failures.ts";
import type {
  BatchRead,
  BatchWritten,
  Conditional,
  ItemPage,
  ItemStore,
  PageRequest,
  QueryRequest,
  ReadOptions,
  TableShape,
} from "./item-store.ts";
import { type Attributes, fromAttributes, refuse, requireItemFits, toAttributes } from "./json.ts";
import { keyAttributes, keyText, partitionIn, requireAnswerFits, TableShapes, toKey } from "./keys.ts";
import { pageInput, toPage } from "./pages.ts";
import { type Condition, joined } from "./syntax.ts";
import { updateExpression } from "./updates.ts";

type Write = "PutItem" | "UpdateItem" | "DeleteItem";

/** A write that is ready to be sent. */
interface Prepared<N extends Write> {
  readonly input: Input<N>;
  readonly key: Attributes;
  readonly e: UserExpressions;
  readonly mayRead: boolean;
  /** False: it must not be sent again while an earlier attempt may still arrive. */
  readonly repeatable?: boolean;
}

const TOTAL = { ReturnConsumedCapacity: "TOTAL" } as const;

/** The item tools' way to tables of the user's own. What a method may throw stands at `ItemStore`. */
export class DynamoDBItems implements ItemStore {
  readonly #client: Client;
  readonly #shapes: TableShapes;

  /** The client is the caller's, which closes it. */
  constructor(options: { client: Client }) {
    this.#client = options.client;
    this.#shapes = new TableShapes(async (table) => {
      const { Table } = await this.#send("DescribeTable", table, { TableName: table }, new UserExpressions());
      return Table;
    });
  }

  describe(table: string, fresh = false): Promise<TableShape> {
    return this.#shapes.get(table, fresh);
  }

  async get(table: string, given: unknown, options: ReadOptions) {
    const { input, e } = await this.#shapes.fit(table, (shape) => {
      const e = new UserExpressions(options);
      const projection = projectionOf(e, options.projection);
      const input = {
        TableName: table,
        Key: toKey(shape, given, "key"),
        ConsistentRead: options.consistent,
        ...TOTAL,
        ...(projection && { ProjectionExpression: projection.sent }),
        ...e.placeholders(),
      };
      return { input, e };
    });
    const { Item, ConsumedCapacity } = await this.#send("GetItem", table, input, e);
    const item = Item && fromAttributes(Item);
    if (item) requireAnswerFits(item, "projection");
    return { item, consumed: ConsumedCapacity?.CapacityUnits ?? 0 };
  }

  async batchGet(table: string, keys: readonly unknown[], options: ReadOptions): Promise<BatchRead> {
    const request = await this.#shapes.fit(table, (shape) => batchGetInput(shape, keys, options));
    return toBatchRead(table, request, await this.#send("BatchGetItem", table, request.input, request.expressions));
  }

  async batchWrite(table: string, puts: readonly unknown[], deletes: readonly unknown[]): Promise<BatchWritten> {
    const input = await this.#shapes.fit(table, (shape) => batchWriteInput(shape, puts, deletes));
    const answer = await this.#send("BatchWriteItem", table, input, new UserExpressions());
    return toBatchWritten(table, { puts: puts.length, deletes: deletes.length }, answer);
  }

  async put(table: string, given: unknown, options: Conditional) {
    const prepared = await this.#shapes.fit(table, (shape): Prepared<"PutItem"> => {
      const item = toAttributes(given, "item");
      const names = keyAttributes(shape).map(({ name }) => name);
      const present = Object.entries(item).filter(([name]) => names.includes(name));
      const key = toKey(shape, fromAttributes(Object.fromEntries(present)), "item");
      requireItemFits(item, "item");
      const e = new UserExpressions(options);
      const input = { TableName: table, Item: item, ReturnValues: "ALL_OLD", ...conditionOf(e, options) } as const;
      return { input, key, e, mayRead: mayRead(options) };
    });
    const { Attributes, ConsumedCapacity } = await this.#write("PutItem", prepared);
    const replaced = Attributes !== undefined;
    return { key: fromAttributes(prepared.key), replaced, consumed: ConsumedCapacity?.CapacityUnits ?? 0 };
  }

  async update(table: string, given: unknown, updates: unknown, options: Conditional & { mustExist: boolean }) {
    const prepared = await this.#shapes.fit(table, (shape): Prepared<"UpdateItem"> => {
      const key = toKey(shape, given, "key");
      const e = new UserExpressions(options);
      const keys = keyAttributes(shape).map(({ name }) => name);
      const { expression, repeatable } = updateExpression(keys, updates, e);
      const input = {
        TableName: table,
        Key: key,
        UpdateExpression: expression,
        ReturnValues: mayRead(options) ? "ALL_NEW" : "NONE",
        ...conditionOf(e, options, options.mustExist ? shape.partition[0]?.name : undefined),
      } as const;
      return { input, key, e, mayRead: mayRead(options), repeatable };
    });
    const { Attributes, ConsumedCapacity } = await this.#write("UpdateItem", prepared);
    return { item: Attributes && fromAttributes(Attributes), consumed: ConsumedCapacity?.CapacityUnits ?? 0 };
  }

  async delete(table: string, given: unknown, options: Conditional) {
    const prepared = await this.#shapes.fit(table, (shape): Prepared<"DeleteItem"> => {
      const key = toKey(shape, given, "key");
      const e = new UserExpressions(options);
      const input = { TableName: table, Key: key, ReturnValues: "ALL_OLD", ...conditionOf(e, options) } as const;
      return { input, key, e, mayRead: mayRead(options) };
    });
    const { Attributes, ConsumedCapacity } = await this.#write("DeleteItem", prepared);
    return { item: Attributes && fromAttributes(Attributes), consumed: ConsumedCapacity?.CapacityUnits ?? 0 };
  }

  async query(table: string, request: QueryRequest): Promise<ItemPage> {
    const { e, input, keyNames, unwanted } = await this.#shapes.fit(table, (shape) => {
      const { expressions: e, schema, input, ...page } = pageInput(shape, request);
      const keyCondition = e.parse(request.keyCondition, "key_condition");
      const start = input.ExclusiveStartKey;
      // Not every engine minds: it would then answer from another partition.
      for (const [name, value] of partitionIn(keyCondition, schema))
        if (start?.[name] && keyText(start[name]) !== keyText(value))
          refuse("last_evaluated_key", "it belongs to a query of another partition; begin again without it.");
      const KeyConditionExpression = e.render(keyCondition, "key_condition");
      return {
        ...page,
        e,
        input: { ...input, KeyConditionExpression, ScanIndexForward: request.scanForward, ...e.placeholders() },
      };
    });
    return toPage(await this.#send("Query", table, input, e), keyNames, unwanted);
  }

  async scan(table: string, request: PageRequest): Promise<ItemPage> {
    const { e, input, keyNames, unwanted } = await this.#shapes.fit(table, (shape) => {
      const { expressions: e, input, ...page } = pageInput(shape, request);
      return { ...page, e, input: { ...input, ...e.placeholders() } };
    });
    return toPage(await this.#send("Scan", table, input, e), keyNames, unwanted);
  }

  /** Like `#send`; a condition that does not hold becomes a `conflict` that shows the item to those who may read it. */
  async #write<N extends Write>(name: N, { input, key, e, mayRead, repeatable }: Prepared<N>): Promise<Output<N>> {
    let repeated = false;
    const onSilence = () => {
      if (repeatable === false) unknownUpdate();
      repeated = true;
    };
    const { ConditionExpression, TableName: table = "" } = input;
    const whole =
      ConditionExpression !== undefined && mayRead ? { ReturnValuesOnConditionCheckFailure: "ALL_OLD" as const } : {};
    try {
      return await this.#send(name, table, { ...input, ...TOTAL, ...whole }, e, onSilence);
    } catch (thrown) {
      const { name: reason, item } = failure(thrown);
      if (reason !== "ConditionalCheckFailedException") throw thrown;
      if (!mayRead) throw conditionFailed("hidden", repeated, thrown);
      // An engine that does not hand the item over answers as for an item that is not there.
      const stands = item ?? (await this.#look(table, key));
      throw conditionFailed(stands, repeated, thrown);
    }
  }

  async #look(table: string, key: Attributes): Promise<Attributes | undefined> {
    const input = { TableName: table, Key: key, ConsistentRead: true };
    return (await this.#send("GetItem", table, input, new UserExpressions())).Item;
  }

  async #send<N extends OperationName>(
    name: N,
    table: string,
    input: Input<N>,
    e: UserExpressions,
    onSilence?: () => void,
  ): Promise<Output<N>> {
    try {
      return await send(this.#client, name, input, newDeadline(), onSilence);
    } catch (thrown) {
      const reason = failure(thrown instanceof AppError ? thrown.cause : thrown);
      if (reason.name === "ConditionalCheckFailedException") throw thrown;
      if (isAboutShape(reason)) this.#shapes.forget(table);
      if (reason.name === "ResourceNotFoundException")
        throw new AppError(
          "not_found",
          `The table "${table}" does not exist there. Its operator must create it, or correct DYNAMODB_TABLE_NAME, AWS_REGION or DYNAMODB_ENDPOINT_URL.`,
          { details: { field: "table" }, cause: thrown },
        );
      if (thrown instanceof AppError || reason.status === undefined || reason.status >= 500) throw thrown;
      throw refusal(reason.message, e, thrown);
    }
  }
}

const mayRead = ({ mayRead = true }: Conditional): boolean => mayRead;

/** `exists`: an attribute that every item has, where there must be one. */
function conditionOf(e: UserExpressions, { condition }: Conditional, exists?: string) {
  const given = condition === undefined ? undefined : e.parse(condition, "condition");
  const stands: Condition | undefined =
    exists === undefined
      ? undefined
      : { kind: "call", name: "attribute_exists", operands: [{ kind: "path", path: [exists] }] };
  const all: Condition | undefined = stands && given ? joined("and", [stands, given]) : (stands ?? given);
  return { ...(all && { ConditionExpression: e.render(all, "condition") }), ...e.placeholders() };
}
