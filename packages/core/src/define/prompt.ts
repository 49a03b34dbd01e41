// What a prompt is: words a person can choose to give to a model, filled in by one function.
import type { ContentBlock, InputRequiredResult, PromptMessage } from "@modelcontextprotocol/server";
import type { Asking, CallContext } from "./context.ts";
import type { Complete } from "./resource.ts";

/** One blank of a prompt that a person fills in. */
export interface PromptArgument {
  /** What a person reads beside the field. */
  readonly description: string;
  /** Default false. */
  readonly required?: boolean;
  /** Suggestions while a person types. Anonymous callers are never asked for. */
  readonly complete?: Complete;
}

type Given<A> = { readonly [K in keyof A]: A[K] extends { readonly required: true } ? string : string | undefined };
/** Text becomes one message of the user's. */
type PromptAnswer = string | readonly PromptMessage[] | InputRequiredResult;

/** What a prompt's function is given besides its arguments. */
export interface PromptContext extends CallContext, Asking {}

/** A prompt as its author writes it; `definePrompt` checks it. */
export interface PromptDefinition<A extends Record<string, PromptArgument> = Record<string, PromptArgument>> {
  /** 1 to 64 letters, digits, `_`, `-`, `.`: exactly what clients see. */
  name: string;
  /** What a person sees; default: the name. */
  title?: string;
  /** What a person reads to choose it. */
  description: string;
  /** All of them text: the protocol knows no other kind. */
  arguments?: { readonly [K in keyof A]: A[K] & PromptArgument };
  /** Resolves to text or messages, or to `inputRequired({…})` when it must ask first. */
  run(given: Given<A>, context: PromptContext): PromptAnswer | Promise<PromptAnswer>;
}

/** A checked definition. */
export interface Prompt {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly arguments: Readonly<Record<string, PromptArgument>>;
  run(given: Readonly<Record<string, string | undefined>>, context: PromptContext): Promise<PromptAnswer>;
}

const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

/**
 * Checks a prompt's definition.
 * @throws TypeError with one sentence when the definition cannot work.
 */
export function definePrompt<const A extends Record<string, PromptArgument> = Record<never, PromptArgument>>(
  definition: PromptDefinition<A>,
): Prompt {
  const { name, description } = definition;
  const wrong = (why: string) => new TypeError(`The prompt ${JSON.stringify(name)} cannot be defined: ${why}`);
  if (!NAME.test(name)) throw wrong("its name must be 1 to 64 letters, digits, '_', '-' or '.'.");
  if (description.trim() === "") throw wrong("it needs a description, which is what a person chooses by.");
  return {
    name,
    title: definition.title ?? name,
    description,
    arguments: definition.arguments ?? {},
    // Required arguments have been checked before, so the type holds where the cast stands.
    run: async (given, context) => definition.run(given as Given<A>, context),
  };
}

/** Messages of the user's, one block each. */
export const userMessages = (...blocks: ContentBlock[]): PromptMessage[] =>
  blocks.map((content) => ({ role: "user", content }));
