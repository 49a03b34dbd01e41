// Expressions as callers write them, made safe to send: every name and value goes through a placeholder of ours, so that reserved
// words work, and what is missing, unused or foreign is refused before anything is sent. Knows no table.
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { AppError } from "../errors.ts";
import { byteLength } from "../text.ts";
import type { Placeholders } from "./item-store.ts";
import { type Attributes, checkedName, isObject, refuse, toAttribute } from "./json.ts";

/** DynamoDB's own bound of one expression. */
const EXPRESSION_MAX_BYTES = 4096;

const TOKEN = /\s+|<>|<=|>=|[<>=(),.[\]]|[:#][A-Za-z0-9_]+|[A-Za-z_][A-Za-z0-9_]*|\d+/y;
const KEYWORDS = new Set(["AND", "OR", "NOT", "BETWEEN", "IN"]);
const FUNCTIONS = new Set([
  "attribute_exists",
  "attribute_not_exists",
  "attribute_type",
  "begins_with",
  "contains",
  "size",
]);
const PATH_STEP = /\.?([^.[\]]+)|\[(\d{1,9})\]/y;

/** A piece of an expression: what is sent, and what it stands for. */
export interface Token {
  readonly text: string;
  readonly attribute?: string;
  readonly value?: AttributeValue;
}

export const render = (tokens: readonly Token[]): string => tokens.map(({ text }) => text).join(" ");

/** Collects the names and values of one request. */
export class Expressions {
  readonly #givenNames: ReadonlyMap<string, string>;
  readonly #givenValues: ReadonlyMap<string, AttributeValue>;
  readonly #used = new Set<string>();
  readonly #names = new Map<string, string>();
  readonly #values: AttributeValue[] = [];
  readonly #sentValues = new Map<string, string>();

  /** @throws AppError `invalid_input` */
  constructor({ expressionValues, expressionNames }: Placeholders = {}) {
    this.#givenValues = new Map(
      members(expressionValues, "expression_values", ":").map(([name, value]) => [
        name,
        toAttribute(value, `expression_values.${name}`),
      ]),
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
    return `:v${this.#values.push(value) - 1}`;
  }

  /** Reads a condition. @throws AppError `invalid_input` naming the field and the place. */
  parse(text: string, field: string): Token[] {
    if (text.trim() === "") return refuse(field, "it is empty; leave it out or give an expression.");
    if (byteLength(text) > EXPRESSION_MAX_BYTES)
      return refuse(field, `it is longer than ${EXPRESSION_MAX_BYTES} bytes.`);
    const words: string[] = [];
    for (let at = 0; at < text.length; ) {
      TOKEN.lastIndex = at;
      const word = TOKEN.exec(text)?.[0];
      if (word === undefined) {
        const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
        return refuse(
          field,
          `${JSON.stringify(character)} at position ${at} is not part of an expression. Give values as :name in expression_values, and names with other characters than letters, digits and _ as #name in expression_names.`,
        );
      }
      if (word.trim() !== "") words.push(word);
      at += word.length;
    }
    return words.map((word, index) => this.#token(word, words[index - 1], words[index + 1], field));
  }

  #token(word: string, before: string | undefined, after: string | undefined, field: string): Token {
    if (word.startsWith(":")) {
      const value = this.#givenValues.get(word);
      if (value === undefined) return refuse(field, `it uses ${word}, which is not in expression_values.`);
      this.#used.add(word);
      const sent = this.#sentValues.get(word) ?? this.value(value);
      this.#sentValues.set(word, sent);
      return { text: sent, value };
    }
    if (word.startsWith("#")) return this.#nameToken(this.#givenName(word, field));
    if (/^\d/.test(word)) {
      if (before === "[") return { text: word };
      return refuse(field, `the number ${word.slice(0, 30)} must be given as :name in expression_values.`);
    }
    if (!/^[A-Za-z_]/.test(word)) return { text: word };
    if (KEYWORDS.has(word.toUpperCase()) && before !== ".") return { text: word.toUpperCase() };
    if (after !== "(") return this.#nameToken(word);
    if (FUNCTIONS.has(word)) return { text: word };
    return refuse(field, `there is no function ${word.slice(0, 60)}; there are ${[...FUNCTIONS].join(", ")}.`);
  }

  #nameToken(attribute: string): Token {
    return { text: this.name(attribute), attribute };
  }

  #givenName(placeholder: string, field: string): string {
    const attribute = this.#givenNames.get(placeholder);
    if (attribute === undefined) return refuse(field, `it uses ${placeholder}, which is not in expression_names.`);
    this.#used.add(placeholder);
    return attribute;
  }

  /** Reads a path such as `address.city` or `#lines[0]`; returns it as it is sent, and the attribute it begins with. */
  path(text: string): { sent: string; top: string } {
    let sent = "";
    let top = "";
    for (let at = 0; at < text.length; ) {
      PATH_STEP.lastIndex = at;
      const [all = "", step, index] = PATH_STEP.exec(text) ?? [];
      if (all === "" || (at === 0 && (all.startsWith(".") || index !== undefined)) || (at > 0 && step && all === step))
        return refuse(
          "projection",
          `${JSON.stringify(text.slice(0, 60))} is not a path such as address.city or lines[0].`,
        );
      if (index !== undefined) sent += `[${index}]`;
      else {
        const name = /^#[A-Za-z0-9_]+$/.test(step ?? "")
          ? this.#givenName(step ?? "", "projection")
          : checkedName(step ?? "", "projection");
        if (at === 0) top = name;
        sent += `${at === 0 ? "" : "."}${this.name(name)}`;
      }
      at += all.length;
    }
    return sent === "" ? refuse("projection", "a path must not be empty.") : { sent, top };
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
    return {
      ...(names.length > 0 && { ExpressionAttributeNames: Object.fromEntries(names) as Record<string, string> }),
      ...(this.#values.length > 0 && {
        ExpressionAttributeValues: Object.fromEntries(this.#values.map((value, index) => [`:v${index}`, value])),
      }),
    };
  }

  /** An engine's message in the caller's own words. */
  explain(message: string): string {
    const attributes = new Map([...this.#names].map(([attribute, sent]) => [sent, attribute]));
    const values = new Map([...this.#sentValues].map(([given, sent]) => [sent, given]));
    return message.replace(/[#:][nv]\d+/g, (sent) => attributes.get(sent) ?? values.get(sent) ?? sent);
  }
}

function members(given: unknown, field: string, sign: string): [string, unknown][] {
  if (given === undefined) return [];
  if (!isObject(given)) return refuse(field, `it must be an object whose names begin with ${sign}.`);
  for (const name of Object.keys(given))
    if (!/^[A-Za-z0-9_]{1,254}$/.test(name.slice(1)) || !name.startsWith(sign))
      refuse(field, `${JSON.stringify(name.slice(0, 60))} must be ${sign} and letters, digits or _.`);
  return Object.entries(given);
}

/** What the engine calls a part of a request, and what the tools call it. */
const FIELDS: readonly (readonly [RegExp, string])[] = [
  [/KeyConditionExpression|key condition|Query condition/i, "key_condition"],
  [/Filter ?Expression/i, "filter_expression"],
  [/Projection ?Expression/i, "projection"],
  [/Condition ?Expression/i, "condition"],
  [/Update ?Expression/i, "updates"],
  [/ExclusiveStartKey|starting key/i, "last_evaluated_key"],
  [/Index Key|\bitem\b/i, "item"],
];

/** An engine's refusal as the caller reads it. */
export function refusal(message: string, expressions: Expressions, cause: unknown): AppError {
  const field = FIELDS.find(([pattern]) => pattern.test(message))?.[1];
  const text = expressions.explain(message.replace(/\s+/g, " ").trim()).slice(0, 400);
  const sentence = /[.!?]$/.test(text) ? text : `${text}.`;
  const where = field === undefined ? "" : `${field}: `;
  return new AppError("invalid_input", `${where}DynamoDB refused the request. ${sentence}`, {
    ...(field !== undefined && { details: { field } }),
    cause,
  });
}
