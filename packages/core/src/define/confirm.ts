// Asks the person at the client before a tool does what cannot be undone. Clients that can ask do; for others, the model has to say
// that the person has agreed. Knows nothing of what is confirmed.
import { acceptedContent, type InputRequiredResult, inputRequired } from "@modelcontextprotocol/server";
import * as z from "zod";
import { AppError } from "../errors.ts";
import type { Asking } from "./context.ts";

export const CONFIRM_ARGUMENT = z
  .boolean()
  .optional()
  .describe("True once the person has agreed. Needed only where the client cannot ask them itself.");

const form = z.object({ confirm: z.boolean().describe("Yes, do it.") });
const QUESTION = "confirm";
/** Kept in the table between the question and its answer, which is what makes an answer count, once. */
const ASKED = "asked to confirm";

/**
 * The question to put before the call runs; undefined when it may run.
 * @throws AppError `invalid_input` when the client cannot ask and nobody has said yes, `forbidden` when the person said no.
 */
export function confirmation(
  tool: { readonly name: string; readonly title: string },
  input: Record<string, unknown>,
  confirmed: boolean,
  asking: Asking,
): InputRequiredResult | undefined {
  if (!canAsk(asking)) {
    if (confirmed) return undefined;
    throw new AppError(
      "invalid_input",
      `${tool.name} cannot be undone. Ask the person first; when they agree, call it again with confirm: true.`,
    );
  }
  // An answer without the state that was given out with the question is one that nobody was asked for.
  if (asking.requestState === ASKED) {
    if (acceptedContent(asking.answers, QUESTION, form)?.confirm === true) return undefined;
    throw new AppError("forbidden", `${tool.name} was not confirmed, so nothing was done.`);
  }
  const message = `${tool.title}? This cannot be undone. ${JSON.stringify(input).slice(0, 500)}`;
  const question = inputRequired.elicit({ message, requestedSchema: form });
  return inputRequired({ inputRequests: { [QUESTION]: question }, requestState: ASKED });
}

/** A client that names no kind of question can show a form; one that names only others cannot (elicitation, capabilities). */
function canAsk({ capabilities }: Asking): boolean {
  const { elicitation } = capabilities;
  return elicitation !== undefined && (elicitation.form !== undefined || elicitation.url === undefined);
}
