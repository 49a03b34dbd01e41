// What `updates` says, as an update expression: new values and operations by path. Knows no table but its key's names.
import { fitting, type UserExpressions } from "./expressions.ts";
import { type Attributes, isObject, refuse, requireItemFits, toAttribute, typedForm } from "./json.ts";
import { ShapeMismatch } from "./keys.ts";

const OPERATIONS = ["$remove", "$add", "$append", "$prepend", "$delete"];
const UPDATES_MAX = 300;

/** An update as it is sent. */
export interface Update {
  readonly expression: string;
  /** False when a second application would change more: it must not be sent again unless it is known not to have arrived. */
  readonly repeatable: boolean;
}

interface Clauses {
  readonly SET: string[];
  readonly REMOVE: string[];
  readonly ADD: string[];
  readonly DELETE: string[];
  repeatable: boolean;
}

/** @throws AppError `invalid_input`, `too_large`; ShapeMismatch for an update of the key. */
export function updateExpression(keys: readonly string[], updates: unknown, e: UserExpressions): Update {
  if (!isObject(updates))
    return refuse("updates", "it must be a JSON object of attributes or paths and their new values.");
  const entries = Object.entries(updates);
  if (entries.length === 0) return refuse("updates", "it is empty; name at least one attribute and its new value.");
  if (entries.length > UPDATES_MAX)
    return refuse("updates", `it has ${entries.length} members; at most ${UPDATES_MAX} fit.`);
  const clauses: Clauses = { SET: [], REMOVE: [], ADD: [], DELETE: [], repeatable: true };
  const values: Attributes = {};
  for (const [key, value] of entries) {
    const path = e.parsePath(key, "updates");
    if (keys.includes(path[0]))
      throw new ShapeMismatch(
        "updates",
        `${path[0]} is part of the item's key and cannot change; put a new item and delete this one.`,
      );
    const sent = e.path(path);
    const [operation = "", operand] =
      (isObject(value) && Object.entries(value).length === 1 && Object.entries(value)[0]) || [];
    if (OPERATIONS.includes(operation)) {
      operate(clauses, sent, operation, operand, { e, field: `updates.${key}` });
      continue;
    }
    const plain = typedForm(value);
    if (plain !== undefined)
      return refuse(
        `updates.${key}`,
        `it is in the form of DynamoDB's API and would be stored as a map. Give it as plain JSON: ${plain}.`,
      );
    const attribute = toAttribute(value, `updates.${key}`);
    values[key] = attribute;
    clauses.SET.push(`${sent} = ${e.value(attribute)}`);
  }
  requireItemFits(values, "updates");
  const parts = (["SET", "REMOVE", "ADD", "DELETE"] as const).filter((word) => clauses[word].length > 0);
  const expression = parts.map((word) => `${word} ${clauses[word].join(", ")}`).join(" ");
  return { expression: fitting(expression, "updates"), repeatable: clauses.repeatable };
}

function operate(
  clauses: Clauses,
  path: string,
  operation: string,
  operand: unknown,
  { e, field }: { e: UserExpressions; field: string },
): void {
  if (operation === "$remove") {
    if (operand !== true) refuse(field, '$remove is written {"$remove": true}.');
    clauses.REMOVE.push(path);
    return;
  }
  const value = toAttribute(operand, `${field}.${operation}`);
  const isSet = value.SS !== undefined || value.NS !== undefined || value.BS !== undefined;
  if (operation === "$append" || operation === "$prepend") {
    if (!value.L) refuse(field, `${operation} takes a list of what to add to the list.`);
    const old = `if_not_exists(${path}, ${e.value({ L: [] })})`;
    const added = e.value(value);
    clauses.SET.push(`${path} = list_append(${operation === "$append" ? `${old}, ${added}` : `${added}, ${old}`})`);
    clauses.repeatable = false;
  } else if (isSet) {
    clauses[operation === "$add" ? "ADD" : "DELETE"].push(`${path} ${e.value(value)}`);
  } else if (operation === "$add" && value.N !== undefined) {
    clauses.SET.push(`${path} = if_not_exists(${path}, ${e.value({ N: "0" })}) + ${e.value(value)}`);
    clauses.repeatable = false;
  } else
    refuse(
      field,
      operation === "$add"
        ? '$add takes a number, or {"$set": […]} to add to a set.'
        : '$delete takes {"$set": […]}: what to take out of a set.',
    );
}
