// Pages of a query or a scan: how one is asked for, and where it ends. Sends nothing.
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { PAGE_MAX_BYTES } from "../limits.ts";
import { cutText, sentBytes } from "../text.ts";
import { projectionOf, UserExpressions } from "./expressions.ts";
import type { Item, ItemPage, PageRequest, TableShape } from "./item-store.ts";
import { type Attributes, fromAttributes, fromName, refuse } from "./json.ts";
import { keyAttributes, requireAnswerFits, ShapeMismatch, toKey } from "./keys.ts";

/** What query and scan have in common. @throws ShapeMismatch, AppError `invalid_input`. */
export function pageInput(shape: TableShape, request: PageRequest) {
  const { indexName, consistent, filterExpression, lastEvaluatedKey } = request;
  const index = indexName === undefined ? undefined : shape.indexes.find(({ name }) => name === indexName);
  if (indexName !== undefined && !index) {
    const known = shape.indexes.map(({ name }) => name).join(", ");
    throw new ShapeMismatch(
      "index_name",
      `${shape.name} has no index ${JSON.stringify(cutText(indexName, 100))}; it has ${known || "none"}.`,
    );
  }
  if (consistent && index?.kind === "global")
    return refuse("consistent", `${index.name} is a global index, which is never consistent; leave it out.`);
  const e = new UserExpressions(request);
  const filter = filterExpression === undefined ? undefined : e.parse(filterExpression, "filter_expression");
  const keyNames = keyAttributes(shape, index).map(({ name }) => name);
  const start =
    lastEvaluatedKey === undefined ? undefined : toKey(shape, lastEvaluatedKey, "last_evaluated_key", index);
  // A page that is cut needs the keys of its last item.
  const projection = projectionOf(e, request.projection, keyNames);
  const input = {
    TableName: shape.name,
    Limit: request.limit,
    ConsistentRead: consistent,
    ReturnConsumedCapacity: "TOTAL" as const,
    ...(index && { IndexName: index.name }),
    ...(filter && { FilterExpression: e.render(filter, "filter_expression") }),
    ...(projection && { ProjectionExpression: projection.sent }),
    ...(start && { ExclusiveStartKey: start }),
  };
  const unwanted = projection ? keyNames.filter((name) => !projection.tops.has(name)) : [];
  return { expressions: e, schema: index ?? shape, keyNames, input, unwanted };
}

interface Answer {
  Items?: Attributes[] | undefined;
  ScannedCount?: number | undefined;
  LastEvaluatedKey?: Record<string, AttributeValue> | undefined;
  ConsumedCapacity?: { CapacityUnits?: number | undefined } | undefined;
}

/** Ends the page where it would have more bytes than a model reads; the next one begins there. */
export function toPage(answer: Answer, keyNames: readonly string[], unwanted: readonly string[]): ItemPage {
  const items: Item[] = [];
  let last = answer.LastEvaluatedKey && fromAttributes(answer.LastEvaluatedKey);
  let bytes = 0;
  let before: Item | undefined;
  for (const stored of answer.Items ?? []) {
    const { item, key } = shown(stored, keyNames, unwanted);
    bytes += sentBytes(item);
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

/** An item as it is shown, and its key. */
export function shown(stored: Attributes, keyNames: readonly string[], unwanted: readonly string[]) {
  const item = fromAttributes(stored);
  const key: Item = Object.fromEntries(keyNames.map(fromName).map((name) => [name, item[name]]));
  for (const name of unwanted) delete item[fromName(name)];
  return { item: item as Item, key };
}
