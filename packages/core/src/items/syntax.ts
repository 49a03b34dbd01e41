// The language of conditions, as callers write it: read into a tree, so that what is sent means what was read and nothing else. Knows no
// table and sends nothing; what #names and :values stand for is asked of the caller of `parseCondition`.
//
//   or   = and { OR and }        and  = not { AND not }        not = NOT not | test
//   test = "(" or ")" | function "(" operand { "," operand } ")" | operand comparator operand
//        | operand BETWEEN operand AND operand | operand IN "(" operand { "," operand } ")"
//   operand = path | :value | true | false | null | size "(" path ")"
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { cutText } from "../text.ts";
import { refuse } from "./json.ts";

/** An attribute's name, then names of members and positions in lists. */
export type Path = readonly [string, ...(string | number)[]];

export type Operand =
  | { readonly kind: "path"; readonly path: Path }
  | { readonly kind: "value"; readonly value: AttributeValue }
  | { readonly kind: "size"; readonly path: Path };

export type Condition =
  | { readonly kind: "compare"; readonly operator: string; readonly left: Operand; readonly right: Operand }
  | { readonly kind: "between"; readonly operand: Operand; readonly low: Operand; readonly high: Operand }
  | { readonly kind: "in"; readonly operand: Operand; readonly members: readonly Operand[] }
  | { readonly kind: "call"; readonly name: string; readonly operands: readonly Operand[] }
  | { readonly kind: "not"; readonly member: Condition }
  | { readonly kind: "and" | "or"; readonly members: readonly Condition[] };

/** What the placeholders of a text stand for. Each throws what the caller is to read when there is no such placeholder. */
export interface Dictionary {
  attribute(placeholder: string, field: string): string;
  value(placeholder: string, field: string): AttributeValue;
}

/** Characters of one expression as given: names may be longer than the placeholders that are sent for them. */
const TEXT_MAX_LENGTH = 16_384;
/** Parentheses and NOT within each other, as given. */
const DEPTH_MAX_LEVELS = 32;
/** DynamoDB's own bounds. */
const OPERATORS_MAX = 300;
const IN_MAX_OPERANDS = 100;
const PATH_MAX_STEPS = 33;

const TOKEN = /\s+|<>|<=|>=|[<>=(),.[\]]|[:#][A-Za-z0-9_]+|[A-Za-z_][A-Za-z0-9_]*|\d+/y;
const WORD = /^[A-Za-z_]/;
const KEYWORDS = new Set(["AND", "OR", "NOT", "BETWEEN", "IN"]);
const COMPARATORS = new Set(["=", "<>", "<", "<=", ">", ">="]);
const LITERALS: ReadonlyMap<string, AttributeValue> = new Map([
  ["TRUE", { BOOL: true }],
  ["FALSE", { BOOL: false }],
  ["NULL", { NULL: true }],
]);
/** Functions that are conditions by themselves, with the number of their operands. */
const FUNCTIONS: ReadonlyMap<string, number> = new Map([
  ["attribute_exists", 1],
  ["attribute_not_exists", 1],
  ["attribute_type", 2],
  ["begins_with", 2],
  ["contains", 2],
]);
const FUNCTION_NAMES = [...FUNCTIONS.keys(), "size"].join(", ");

/** Reads a condition. @throws AppError `invalid_input` that names the field and what is wrong in it. */
export const parseCondition = (text: string, field: string, dictionary: Dictionary): Condition =>
  new Parser(text, field, dictionary).condition();

/** At least one condition, as one: `a AND (b AND c)` is `a AND b AND c`. */
export function joined(kind: "and" | "or", members: readonly Condition[]): Condition {
  const [first, ...rest] = members.flatMap((one) => (one.kind === kind ? one.members : [one]));
  return first && rest.length === 0 ? first : { kind, members: first ? [first, ...rest] : [] };
}

class Parser {
  readonly #field: string;
  readonly #dictionary: Dictionary;
  readonly #words: readonly string[];
  #at = 0;
  #depth = 0;
  #operators = 0;

  constructor(text: string, field: string, dictionary: Dictionary) {
    this.#field = field;
    this.#dictionary = dictionary;
    this.#words = wordsOf(text, field);
  }

  condition(): Condition {
    const condition = this.#or();
    return this.#at === this.#words.length ? condition : this.#unexpected("the end, AND or OR");
  }

  #or(): Condition {
    return this.#list("or", () => this.#list("and", () => this.#not()));
  }

  #list(kind: "and" | "or", next: () => Condition): Condition {
    const members = [next()];
    while (this.#takeKeyword(kind.toUpperCase())) members.push(next());
    return joined(kind, members);
  }

  #not(): Condition {
    if (!this.#takeKeyword("NOT")) return this.#test();
    const member = this.#deeper(() => this.#not());
    // Nothing is neither true nor false in this language, so two of them say nothing.
    return member.kind === "not" ? member.member : { kind: "not", member };
  }

  #test(): Condition {
    if (this.#take("(")) {
      const inner = this.#deeper(() => this.#or());
      this.#expect(")");
      return inner;
    }
    const word = this.#peek();
    if (this.#peek(1) === "(" && WORD.test(word) && word !== "size" && !KEYWORDS.has(word.toUpperCase()))
      return this.#call();
    const left = this.#operand();
    if (this.#takeKeyword("BETWEEN")) {
      const low = this.#operand();
      if (!this.#takeKeyword("AND")) return this.#unexpected("AND and the upper bound of BETWEEN");
      return { kind: "between", operand: left, low, high: this.#operand() };
    }
    if (this.#takeKeyword("IN")) {
      const members = this.#operands();
      if (members.length > IN_MAX_OPERANDS) this.#refuse(`IN takes at most ${IN_MAX_OPERANDS} values.`);
      return { kind: "in", operand: left, members };
    }
    const operator = this.#peek();
    if (!COMPARATORS.has(operator)) return this.#unexpected("a comparison such as =, <>, <, BETWEEN or IN");
    this.#advance();
    this.#count();
    return { kind: "compare", operator, left, right: this.#operand() };
  }

  #call(): Condition {
    const name = this.#advance();
    const wanted = FUNCTIONS.get(name);
    if (wanted === undefined)
      return this.#refuse(`there is no function ${cutText(name, 60)}; there are ${FUNCTION_NAMES}.`);
    this.#count();
    const operands = this.#operands();
    if (operands.length !== wanted) return this.#refuse(`${name} takes ${wanted}, and was given ${operands.length}.`);
    return { kind: "call", name, operands };
  }

  #operands(): Operand[] {
    this.#expect("(");
    const operands = [this.#operand()];
    while (this.#take(",")) operands.push(this.#operand());
    this.#expect(")");
    return operands;
  }

  #operand(): Operand {
    const word = this.#peek();
    if (word.startsWith(":")) return { kind: "value", value: this.#dictionary.value(this.#advance(), this.#field) };
    if (/^\d/.test(word))
      return this.#refuse(`the number ${cutText(word, 30)} must be given as :name in expression_values.`);
    const next = this.#peek(1);
    if (word === "size" && next === "(") {
      this.#at += 2;
      this.#count();
      const path = this.#path();
      this.#expect(")");
      return { kind: "size", path };
    }
    const literal = LITERALS.get(word.toUpperCase());
    if (literal && next !== "." && next !== "[") {
      this.#advance();
      return { kind: "value", value: literal };
    }
    return { kind: "path", path: this.#path() };
  }

  #path(): Path {
    const [first, ...rest] = [this.#name()] as [string, ...(string | number)[]];
    for (;;) {
      if (this.#take(".")) rest.push(this.#name("."));
      else if (this.#take("[")) {
        const index = this.#advance();
        if (!/^\d{1,9}$/.test(index))
          return this.#refuse(`${JSON.stringify(cutText(index, 30))} is no position in a list.`);
        rest.push(Number(index));
        this.#expect("]");
      } else return [first, ...rest];
      if (rest.length >= PATH_MAX_STEPS) return this.#refuse(`a path in it has more than ${PATH_MAX_STEPS} steps.`);
    }
  }

  #name(before?: string): string {
    const word = this.#peek();
    if (word.startsWith("#")) return this.#dictionary.attribute(this.#advance(), this.#field);
    if (!WORD.test(word) || (before === undefined && KEYWORDS.has(word.toUpperCase())))
      return this.#unexpected("an attribute, a :value, true, false or null");
    return this.#advance();
  }

  #deeper<T>(read: () => T): T {
    if (++this.#depth > DEPTH_MAX_LEVELS) this.#refuse(`it nests deeper than ${DEPTH_MAX_LEVELS} levels.`);
    const result = read();
    this.#depth--;
    return result;
  }

  #count(): void {
    if (++this.#operators > OPERATORS_MAX) this.#refuse(`it has more than ${OPERATORS_MAX} operators and functions.`);
  }

  #peek(ahead = 0): string {
    return this.#words[this.#at + ahead] ?? "";
  }

  #advance(): string {
    return this.#words[this.#at++] ?? "";
  }

  #take(word: string): boolean {
    if (this.#peek() !== word) return false;
    this.#at++;
    return true;
  }

  #takeKeyword(keyword: string): boolean {
    if (this.#peek().toUpperCase() !== keyword) return false;
    this.#at++;
    this.#count();
    return true;
  }

  #expect(word: string): void {
    if (!this.#take(word)) this.#unexpected(word);
  }

  #unexpected(wanted: string): never {
    const before = this.#words.slice(Math.max(0, this.#at - 4), this.#at).join(" ");
    const found = this.#at >= this.#words.length ? "it ends" : `there is ${JSON.stringify(cutText(this.#peek(), 60))}`;
    return this.#refuse(
      `${before === "" ? "" : `after ${JSON.stringify(cutText(before, 120))} `}${found} where ${wanted} must be.`,
    );
  }

  #refuse(why: string): never {
    return refuse(this.#field, why);
  }
}

function wordsOf(text: string, field: string): string[] {
  if (text.trim() === "") return refuse(field, "it is empty; leave it out or give an expression.");
  if (text.length > TEXT_MAX_LENGTH) return refuse(field, `it is longer than ${TEXT_MAX_LENGTH} characters.`);
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
  return words;
}

const QUOTED = /\["((?:[^"\\]|\\.){1,4096}?)"\]/y;
const STEP = /\.?([^.[\]]+)|\[(\d{1,9})\]/y;
const PATH_MAX_LENGTH = 4_096;

/**
 * Reads a path as `projection` and `updates` spell it: `address.city`, `lines[0].price`, `["a.b"]` for a name with a dot. `nameOf`
 * says which attribute an unquoted name means.
 * @throws AppError `invalid_input` naming the field.
 */
export function parsePath(text: string, field: string, nameOf: (step: string) => string): Path {
  const wrong = () =>
    refuse(
      field,
      `${JSON.stringify(cutText(text, 60))} is not a path such as address.city or lines[0]. A name with a dot or bracket is written ["a.b"].`,
    );
  if (text.length > PATH_MAX_LENGTH) return refuse(field, `a path is longer than ${PATH_MAX_LENGTH} characters.`);
  const steps: (string | number)[] = [];
  for (let at = 0; at < text.length; ) {
    QUOTED.lastIndex = at;
    STEP.lastIndex = at;
    const quoted = QUOTED.exec(text);
    if (quoted) {
      try {
        steps.push(JSON.parse(`"${quoted[1]}"`) as string);
      } catch {
        return wrong();
      }
      at += quoted[0].length;
      continue;
    }
    const [all = "", name, index] = STEP.exec(text) ?? [];
    if (all === "" || (at === 0) === (all.startsWith(".") || index !== undefined)) return wrong();
    steps.push(index === undefined ? nameOf(name ?? "") : Number(index));
    at += all.length;
  }
  if (steps.length > PATH_MAX_STEPS) return refuse(field, `a path has more than ${PATH_MAX_STEPS} steps.`);
  const [first, ...rest] = steps;
  return typeof first === "string" && first !== "" ? [first, ...rest] : wrong();
}
