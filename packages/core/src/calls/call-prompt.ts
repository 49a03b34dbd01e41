// Prompts filled in for a caller, and the suggestions a person is given while typing.
import type { PromptMessage } from "@modelcontextprotocol/server";
import { userMessages } from "../define/prompt.ts";
import type { Complete } from "../define/resource.ts";
import { AppError } from "../errors.ts";
import { READ_SCOPE } from "../principal.ts";
import { cutText } from "../text.ts";
import { askingOf, unlessAsking } from "./asking.ts";
import { contextOf, runCall } from "./run-call.ts";
import type { CallSource, Services } from "./services.ts";

/** @throws AppError `not_found`, `invalid_input`; InputNeeded. */
export function getPrompt(
  services: Services,
  source: CallSource,
  name: string,
  given: Readonly<Record<string, string>>,
): Promise<{ description: string; messages: PromptMessage[] }> {
  return runCall(
    services,
    source,
    { prompt: cutText(name, 64) },
    { scope: READ_SCOPE, readOnly: true },
    async (inProgress) => {
      const prompt = services.prompts.get(name);
      if (!prompt) throw noPrompt(services, name);
      const missing = Object.entries(prompt.arguments).find(([one, { required }]) => required && !given[one]);
      if (missing) throw new AppError("invalid_input", `${name}: ${missing[0]} is missing. ${missing[1].description}`);
      const asked = { target: `prompts/get ${name}`, arguments: given };
      const answer = await prompt.run(given, {
        ...contextOf(services, source, inProgress),
        ...(await askingOf(services, source, asked)),
      });
      if (typeof answer === "string")
        return { description: prompt.description, messages: userMessages({ type: "text", text: answer }) };
      const messages = await unlessAsking<readonly PromptMessage[]>(services, source.principal, asked, answer);
      return { description: prompt.description, messages: [...messages] };
    },
  );
}

/** What a completion is asked for: an argument of a prompt, or a variable of a resource template. */
export type CompletionTarget = { readonly prompt: string } | { readonly template: string };
/** The protocol's bound. */
const VALUES_MAX = 100;

/** Suggestions for an argument; none for anonymous callers, who share a principal and must not see each other's names. */
export function completeArgument(
  services: Services,
  source: CallSource,
  target: CompletionTarget,
  argument: { readonly name: string; readonly value: string },
  given: Readonly<Record<string, string>>,
): Promise<{ values: string[]; total: number; hasMore: boolean }> {
  return runCall(
    services,
    source,
    { completion: cutText(argument.name, 64) },
    { scope: READ_SCOPE, readOnly: true },
    async (inProgress) => {
      const context = contextOf(services, source, inProgress);
      const complete = completerOf(services, target, argument.name);
      const anonymous = source.principal.kind === "anonymous";
      const all = anonymous ? [] : ((await complete?.(argument.value, { ...context, given })) ?? []);
      return { values: all.slice(0, VALUES_MAX), total: all.length, hasMore: all.length > VALUES_MAX };
    },
  );
}

function completerOf(services: Services, target: CompletionTarget, argument: string): Complete | undefined {
  if ("prompt" in target) {
    const prompt = services.prompts.get(target.prompt);
    if (!prompt) throw noPrompt(services, target.prompt);
    return Object.hasOwn(prompt.arguments, argument) ? prompt.arguments[argument]?.complete : undefined;
  }
  const resource = services.resources.template(target.template);
  if (!resource)
    throw new AppError("not_found", `There is no resource template ${JSON.stringify(cutText(target.template, 200))}.`);
  return Object.hasOwn(resource.complete, argument) ? resource.complete[argument] : undefined;
}

function noPrompt(services: Services, name: string): AppError {
  const known = [...services.prompts.keys()].join(", ") || "none";
  return new AppError(
    "not_found",
    `There is no prompt ${JSON.stringify(cutText(name, 64))}. The prompts are: ${known}.`,
  );
}
