// The names and values of one request, and its expressions as they are sent: every name and value goes through a placeholder of ours,
// so that reserved words work, and what is missing, unused or foreign is refused before anything is sent. Knows no table.
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { byteLength, cutText } from "../text.ts";
import type { Placeholders } from "./item-store.ts";
import { type Attributes, checkedName, isObject, refuse, toAttribute, toName, typedForm } from "./json.ts";
import { type Condition, type Operand, type Path, parseCondition, parsePath } from "./syntax.ts";

/** DynamoDB's own bound of one expression. */
const EXPRESSION_MAX_BYTES = 4096;
/** Values or names of one request: no expression that fits uses more. */
const PLACEHOLDERS_MAX = 300;
/** Groups in parentheses, and how deep: some engines take several times as long for each level. */
const GROUPS_MAX = 32;
const GROUP_DEPTH_MAX = 5;

/** Collects the names and values of one request. */
export class UserExpressions {
  readonly #givenNames: ReadonlyMap<string, string>;
  readonly #givenValues: ReadonlyMap<string, AttributeValue>;
  readonly #used = new Set<string>();
  readonly #names = new Map<string, string>();
  readonly #values = new Map<AttributeValue, string>();

  /** @throws AppError `invalid_input` */
  constructor({ expressionValues, expressionNames }: Placeholders = {}) {
    this.#givenValues = new Map(
      members(expressionValues, "expression_values", ":").map(([name, value]) => [name, givenValue(name, value)]),
    );
    this.#givenNames = new Map(
      members(expressionNames, "expression_names", "#").map(([name, attribute]) =>
        typeof attribute === "string" && attribute !== ""
          ? [name, checkedName(attribute, "expression_names")]
          : refuse("expression_names", `${name} must be the name of an attribute, as a text.`),
      ),
    );
  }

  name(attribute: string): string {
    const known = this.#names.get(attribute);
    if (known !== undefined) return known;
    const placeholder = `#n${this.#names.size}`;
    this.#names.set(attribute, placeholder);
    return placeholder;
  }

  value(value: AttributeValue): string {
    const placeholder = this.#values.get(value) ?? `:v${this.#values.size}`;
    this.#values.set(value, placeholder);
    return placeholder;
  }

  path([first, ...rest]: Path): string {
    return rest.reduce<string>(
      (text, step) => text + (typeof step === "number" ? `[${step}]` : `.${this.name(step)}`),
      this.name(first),
    );
  }

  /** Reads a condition. @throws AppError `invalid_input` naming the field and what is wrong in it. */
  parse(text: string, field: string): Condition {
    return parseCondition(text, field, {
      attribute: (placeholder) => this.#givenName(placeholder, field),
      value: (placeholder) => this.#givenValue(placeholder, field),
    });
  }

  /** Reads a path such as `address.city`, `#lines[0]`, `["a.b"]`. */
  parsePath(text: string, field: string): Path {
    return parsePath(text, field, (step) => {
      if (/^#[A-Za-z0-9_]+$/.test(step)) return this.#givenName(step, field);
      return toName(step, field);
    });
  }

  /** A condition as it is sent. @throws AppError `invalid_input` for more than DynamoDB reads. */
  render(condition: Condition, field: string): string {
    let groups = 0;
    const operand = (one: Operand): string => {
      if (one.kind === "value") return this.value(one.value);
      return one.kind === "size" ? `size(${this.path(one.path)})` : this.path(one.path);
    };
    const group = (one: Condition, depth: number): string => {
      if (++groups > GROUPS_MAX || depth >= GROUP_DEPTH_MAX)
        refuse(
          field,
          `it needs more than ${GROUPS_MAX} groups in parentheses, or more than ${GROUP_DEPTH_MAX} in each other; make it simpler.`,
        );
      return `(${text(one, depth + 1)})`;
    };
    const list = (kind: "and" | "or", members: readonly Condition[], depth: number): string =>
      members
        .map((one) =>
          one.kind === "or" || (kind === "or" && one.kind === "and") ? group(one, depth) : text(one, depth),
        )
        .join(` ${kind.toUpperCase()} `);
    const text = (one: Condition, depth: number): string => {
      switch (one.kind) {
        case "compare":
          return `${operand(one.left)} ${one.operator} ${operand(one.right)}`;
        case "between":
          return `${operand(one.operand)} BETWEEN ${operand(one.low)} AND ${operand(one.high)}`;
        case "in":
          return `${operand(one.operand)} IN (${one.members.map(operand).join(", ")})`;
        case "call":
          return `${one.name}(${one.operands.map(operand).join(", ")})`;
        case "not":
          return `NOT ${group(one.member, depth)}`;
        default:
          return list(one.kind, one.members, depth);
      }
    };
    return fitting(text(condition, 0), field);
  }

  #givenValue(placeholder: string, field: string): AttributeValue {
    const value = this.#givenValues.get(placeholder);
    if (value === undefined) return refuse(field, `it uses ${placeholder}, which is not in expression_values.`);
    this.#used.add(placeholder);
    return value;
  }

  #givenName(placeholder: string, field: string): string {
    const attribute = this.#givenNames.get(placeholder);
    if (attribute === undefined)
      return refuse(
        field,
        `it uses ${placeholder}, which is not in expression_names. ${field === "projection" || field === "updates" ? `An attribute of that name is written ["${placeholder}"].` : "Give it there."}`,
      );
    this.#used.add(placeholder);
    return attribute;
  }

  /** What goes into the request. @throws AppError `invalid_input` when something given is not used. */
  placeholders(): { ExpressionAttributeNames?: Record<string, string>; ExpressionAttributeValues?: Attributes } {
    for (const [field, given] of [
      ["expression_values", this.#givenValues],
      ["expression_names", this.#givenNames],
    ] as const)
      for (const name of given.keys())
        if (!this.#used.has(name)) refuse(field, `${name} is not used in any expression; leave it out.`);
    const names = [...this.#names].map(([attribute, placeholder]) => [placeholder, attribute]);
    const values = [...this.#values].map(([value, placeholder]) => [placeholder, value]);
    return {
      ...(names.length > 0 && { ExpressionAttributeNames: Object.fromEntries(names) as Record<string, string> }),
      ...(values.length > 0 && { ExpressionAttributeValues: Object.fromEntries(values) as Attributes }),
    };
  }

  /** An engine's message in the caller's own words. */
  explain(message: string): string {
    const attributes = new Map([...this.#names].map(([attribute, sent]) => [sent, attribute]));
    const given = new Map([...this.#givenValues].map(([name, value]) => [this.#values.get(value), name]));
    return message.replace(/[#:][nv]\d+/g, (sent) => attributes.get(sent) ?? given.get(sent) ?? sent);
  }
}

/** @throws AppError `invalid_input` for an expression that is longer than DynamoDB reads. */
export function fitting(expression: string, field: string): string {
  const bytes = byteLength(expression);
  if (bytes <= EXPRESSION_MAX_BYTES) return expression;
  return refuse(
    field,
    `it has ${bytes} bytes as it is sent to DynamoDB, which reads ${EXPRESSION_MAX_BYTES}; make it shorter.`,
  );
}

/** The paths that a caller wants to see, as they are sent, and the attributes they begin with. */
export function projectionOf(
  e: UserExpressions,
  projection: readonly string[] | undefined,
  keys: readonly string[] = [],
) {
  if (!projection) return undefined;
  const paths = projection.flatMap((text): Path[] => {
    const path = e.parsePath(text, "projection");
    // Unquoted it may also be the whole name of an attribute: each is shown where it is.
    return path.length > 1 && !text.includes('["') ? [path, [toName(text, "projection")]] : [path];
  });
  const sent = new Set([...paths.map((path) => e.path(path)), ...keys.map((key) => e.name(key))]);
  return { sent: fitting([...sent].join(", "), "projection"), tops: new Set(paths.map(([top]) => top)) };
}

function givenValue(name: string, value: unknown): AttributeValue {
  const field = `expression_values.${name}`;
  const plain = typedForm(value);
  if (plain !== undefined)
    return refuse(
      field,
      `it is in the form of DynamoDB's API and would be compared as a map. Give it as plain JSON: ${plain}.`,
    );
  return toAttribute(value, field);
}

function members(given: unknown, field: string, sign: string): [string, unknown][] {
  if (given === undefined) return [];
  if (!isObject(given)) return refuse(field, `it must be an object whose names begin with ${sign}.`);
  const names = Object.keys(given);
  if (names.length > PLACEHOLDERS_MAX)
    return refuse(field, `it has ${names.length} members; at most ${PLACEHOLDERS_MAX} can be used.`);
  for (const name of names)
    if (!/^[A-Za-z0-9_]{1,254}$/.test(name.slice(1)) || !name.startsWith(sign))
      refuse(field, `${JSON.stringify(cutText(name, 60))} must be ${sign} and letters, digits or _.`);
  return Object.entries(given);
}
