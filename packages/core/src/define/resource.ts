// What a resource is: something a client can read by its URI, alone or as one of a family that a template describes. Data
// first; the same definition serves every transport.
import type { InputRequiredResult } from "@modelcontextprotocol/server";
import type { Asking, CallContext } from "./context.ts";

type Awaitable<T> = T | Promise<T>;
/** The variables of a template: those of `session://{session_id}/notes` are `session_id`. */
type VariableNames<U extends string> = U extends `${string}{${infer V}}${infer Rest}`
  ? (V extends `+${infer Name}` ? Name : V) | VariableNames<Rest>
  : never;
export type Variables<U extends string = string> = string extends U
  ? Record<string, string>
  : { readonly [K in VariableNames<U>]: string };

/** What a resource's `read` is given besides the variables of its URI. */
export interface ResourceContext extends CallContext, Asking {}

/** Suggestions for what a person has begun to type. `given` holds the other arguments typed so far. */
export type Complete = (
  begun: string,
  context: CallContext & { readonly given: Readonly<Record<string, string>> },
) => Awaitable<readonly string[]>;

/** One of a template's resources, in a listing. */
export interface ResourceEntry<V = Record<string, string>> {
  readonly variables: V;
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
}

/** A resource as its author writes it; `defineResource` checks it. */
export interface ResourceDefinition<U extends string = string> {
  /** A URI, or a template of one (RFC 6570) with the expressions `{name}`, which matches no slash, and `{+name}`, which does. */
  uri: U;
  /** For programs and logs. */
  name: string;
  /** What a person sees; default: the name. */
  title?: string;
  /** What a model or a person reads to decide whether to read it. */
  description: string;
  /** Default: clients have to guess. */
  mimeType?: string;
  /** Text, or bytes; undefined: there is no such resource. Or `inputRequired({…})`, when the reader must be asked first. */
  read(
    variables: Variables<U>,
    context: ResourceContext,
  ): Awaitable<string | Uint8Array | undefined | InputRequiredResult>;
  /** All of a template's resources that this caller can read. A template without it is described and not listed. */
  list?(context: CallContext): Awaitable<readonly ResourceEntry<Variables<U>>[]>;
  /** Completion of a template's variables. Anonymous callers are never asked for. */
  complete?: { readonly [K in keyof Variables<U>]?: Complete };
  /**
   * A cheap probe: text that differs whenever what `read` returns differs. With it, clients may ask to be told of changes,
   * and it runs up to four times a second while one does. Undefined: there is no such resource now.
   */
  watch?(variables: Variables<U>, context: CallContext): Awaitable<string | undefined>;
}

/** A checked definition. */
export interface Resource {
  readonly uri: string;
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly mimeType: string | undefined;
  readonly isTemplate: boolean;
  /** The variables of a URI that fits; undefined when it does not. */
  match(uri: string): Record<string, string> | undefined;
  expand(variables: Record<string, string>): string;
  read: ResourceDefinition["read"];
  readonly list: ResourceDefinition["list"];
  readonly complete: Readonly<Record<string, Complete | undefined>>;
  readonly watch: ResourceDefinition["watch"];
}

const URI_MAX_CHARACTERS = 2048;
const EXPRESSION = /\{([^}]*)\}/g;
const VARIABLE = /^\+?([A-Za-z_][A-Za-z0-9_]*)$/;

/**
 * Checks a resource's definition and prepares its URI template.
 * @throws TypeError with one sentence when the definition cannot work, so that it fails at start and not at the first read.
 */
export function defineResource<const U extends string>(definition: ResourceDefinition<U>): Resource {
  const { uri, name, description } = definition;
  const wrong = (why: string) => new TypeError(`The resource ${JSON.stringify(uri)} cannot be defined: ${why}`);
  const variables: string[] = [];
  for (const [, expression = ""] of uri.matchAll(EXPRESSION)) {
    const variable = VARIABLE.exec(expression)?.[1];
    if (variable === undefined) throw wrong(`{${expression}} is neither {name} nor {+name}.`);
    if (variables.includes(variable)) throw wrong(`the variable ${variable} stands in it twice.`);
    variables.push(variable);
  }
  if (!URL.canParse(uri.replaceAll(EXPRESSION, "x"))) throw wrong("it is not an absolute URI, such as notes://today.");
  if (name.trim() === "" || description.trim() === "") throw wrong("it needs a name and a description.");
  const isTemplate = variables.length > 0;
  if (definition.list && !isTemplate) throw wrong("it stands for itself, so it must not have a list.");
  const complete = (definition.complete ?? {}) as Record<string, Complete | undefined>;
  for (const variable of Object.keys(complete))
    if (!variables.includes(variable)) throw wrong(`it completes ${variable}, which is not one of its variables.`);
  const pattern = isTemplate ? patternOf(uri) : undefined;
  // What reads, lists and watches is only ever given variables that this template has matched.
  const erased = definition as unknown as ResourceDefinition;
  return {
    uri,
    name,
    title: definition.title ?? name,
    description,
    mimeType: definition.mimeType,
    isTemplate,
    match: (given) => (pattern ? matched(pattern, given, variables) : given === uri ? {} : undefined),
    expand: (values) => expanded(uri, values),
    read: (values, context) => erased.read(values, context),
    list: erased.list && ((context) => erased.list?.(context) ?? []),
    complete,
    watch: erased.watch && ((values, context) => erased.watch?.(values, context)),
  };
}

/** What fits a template: `{name}` stands for one part of a path, `{+name}` for any number. */
function patternOf(template: string): RegExp {
  const parts = template.split(EXPRESSION).map((part, at) => {
    if (at % 2 === 0) return part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
    return part.startsWith("+") ? "(.+)" : "([^/,]+)";
  });
  return new RegExp(`^${parts.join("")}$`);
}

function matched(pattern: RegExp, uri: string, names: readonly string[]): Record<string, string> | undefined {
  const found = pattern.exec(uri);
  if (!found) return undefined;
  try {
    return Object.fromEntries(names.map((name, at) => [name, decodeURIComponent(found[at + 1] ?? "")]));
  } catch {
    // Not percent-encoding: no URI that this template could have made.
    return undefined;
  }
}

/** The URI that a template gives; a variable without a value leaves nothing in its place. */
const expanded = (template: string, values: Record<string, string>): string =>
  template.replaceAll(EXPRESSION, (_, expression: string) =>
    expression.startsWith("+")
      ? encodeURI(values[expression.slice(1)] ?? "")
      : encodeURIComponent(values[expression] ?? ""),
  );

/** The resources of an app: those with a URI of their own first, then templates in the order given. */
export class ResourceTable {
  readonly all: readonly Resource[];
  readonly #byUri: ReadonlyMap<string, Resource>;
  readonly #templates: readonly Resource[];

  /** @throws TypeError when two have the same URI. */
  constructor(resources: readonly Resource[]) {
    this.#templates = resources.filter((one) => one.isTemplate);
    this.all = [...resources.filter((one) => !one.isTemplate), ...this.#templates];
    this.#byUri = new Map(resources.map((one) => [one.uri, one]));
    const twice = resources.find((one) => this.#byUri.get(one.uri) !== one);
    if (twice) throw new TypeError(`Two resources have the URI ${twice.uri}. URIs must be unique.`);
  }

  /** The resource a URI means, and what it says about which one. */
  find(uri: string): { resource: Resource; variables: Record<string, string> } | undefined {
    if (uri.length > URI_MAX_CHARACTERS) return undefined;
    const fixed = this.#byUri.get(uri);
    if (fixed && !fixed.isTemplate) return { resource: fixed, variables: {} };
    for (const resource of this.#templates) {
      const variables = resource.match(uri);
      if (variables) return { resource, variables };
    }
    return undefined;
  }

  template(uri: string): Resource | undefined {
    return this.#templates.find((one) => one.uri === uri);
  }
}
