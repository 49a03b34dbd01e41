// Asks the person at the client before a tool does what cannot be undone. Clients that can ask do; for others, the model has to say
// that the person has agreed. Knows nothing of what is confirmed.
import type { InputRequiredResult } from "@modelcontextprotocol/server";
import * as z from "zod";
import { AppError } from "../errors.ts";
import { cutText } from "../text.ts";
import type { Asking } from "./context.ts";

export const CONFIRM_ARGUMENT = z
  .boolean()
  .optional()
  .describe("True once the person has agreed. Needed only where the client cannot ask them itself.");

const form = z.object({ confirm: z.boolean().describe("Yes, do it.") });
/** Controls, marks of direction, zero-width and other characters without a glyph, line separators. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
/** Characters of one argument, or of one member of a list, that a person is shown. */
const SHOWN_MAX_LENGTH = 1_000;
/** Characters of all members of a list. */
const LIST_MAX_LENGTH = 12_000;
const QUESTION = "confirm";
/** Kept in the table between the question and its answer, which is what makes an answer count, once. */
const ASKED = "asked to confirm";

/**
 * The question to put before the call runs; undefined when it may run. `shown` gives what the person is shown, in order: what is meant
 * first, then all arguments.
 * @throws AppError `invalid_input` when the client cannot ask and no person has said yes, `forbidden` when the person said no.
 */
export async function confirmation(
  tool: { readonly name: string; readonly title: string },
  shown: () => Promise<readonly (readonly [string, unknown])[]>,
  confirmed: boolean,
  asking: Asking,
): Promise<InputRequiredResult | undefined> {
  if (!canAsk(asking)) {
    if (confirmed) return undefined;
    throw new AppError(
      "invalid_input",
      `${tool.name} cannot be undone. Ask the person first; when they agree, call it again with confirm: true.`,
      { beforeEffect: true, details: { needs: "confirm" } },
    );
  }
  const { acceptedContent, inputRequired } = await import("../sdk.ts");
  // An answer without the state that was given out with the question is one that no person was asked for.
  if (asking.requestState === ASKED) {
    if (acceptedContent(asking.answers, QUESTION, form)?.confirm === true) return undefined;
    throw new AppError("forbidden", `${tool.name} was not confirmed, so nothing was done.`, { beforeEffect: true });
  }
  const lines = (await shown()).flatMap(([name, value]) => linesOf(visible(name), value));
  const message = [`${visible(tool.title)} (${tool.name})? This cannot be undone.`, ...lines].join("\n");
  const question = inputRequired.elicit({ message, requestedSchema: form });
  return inputRequired({ inputRequests: { [QUESTION]: question }, requestState: ASKED });
}

/** What a person is shown of one argument. The members of a long list have lines of their own, so that none hides those after it. */
function linesOf(name: string, value: unknown): string[] {
  if (!Array.isArray(value) || escaped(value).length <= SHOWN_MAX_LENGTH) return [`${name}: ${visible(value)}`];
  const lines: string[] = [];
  let length = 0;
  for (const [at, member] of value.entries()) {
    const line = `${name} ${at + 1} of ${value.length}: ${visible(member)}`;
    length += line.length;
    if (length > LIST_MAX_LENGTH) return [...lines, `${name}: and ${value.length - at} more, not shown`];
    lines.push(line);
  }
  return lines;
}

/** What is too long to be read says how much is left out, so that nothing behind it passes unseen. */
function visible(value: unknown): string {
  const shown = escaped(value);
  const cut = cutText(shown, SHOWN_MAX_LENGTH);
  return cut === shown ? shown : `${cut}… (and ${shown.length - cut.length} more characters)`;
}

/** A text as it stands, anything else as JSON; with what a person would not see, or see in another order, as an escape. */
function escaped(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value).slice(1, -1) : JSON.stringify(value);
  return text.replace(INVISIBLE, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** A client that names no kind of question can show a form; one that names only others cannot (elicitation, capabilities). */
function canAsk({ capabilities }: Asking): boolean {
  const { elicitation } = capabilities;
  return elicitation !== undefined && (elicitation.form !== undefined || elicitation.url === undefined);
}
