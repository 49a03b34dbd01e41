// What a run of a task asks, checked before it is kept: of how many things, and whether the client can be asked them at all.
import type {
  ClientCapabilities,
  InputRequiredResult,
  MissingRequiredClientCapabilityError,
} from "@modelcontextprotocol/server";
import type { TaskQuestions } from "../state/tasks.ts";
import { byteLength } from "../text.ts";
import { missing } from "./call-task.ts";

/** The names of open questions stand in the task's head, which is read at every poll. */
const QUESTIONS_MAX = 16;
const NAME_MAX_BYTES = 100;

/** @throws TypeError for too many questions, or a name that is too long: a fault of the tool. */
export function questionsOf({ inputRequests = {}, requestState }: InputRequiredResult): TaskQuestions {
  const names = Object.keys(inputRequests);
  if (names.length > QUESTIONS_MAX)
    throw new TypeError(`A task can ask ${QUESTIONS_MAX} questions at once; this one asks ${names.length}.`);
  const long = names.find((name) => name === "" || byteLength(name) > NAME_MAX_BYTES || !name.isWellFormed());
  if (long !== undefined)
    throw new TypeError(`A question's name must be 1 to ${NAME_MAX_BYTES} bytes; ${JSON.stringify(long)} is not.`);
  if (names.length === 0) throw new TypeError("A task that asks must ask something.");
  return { requests: inputRequests, state: requestState };
}

/** What the client would have to be capable of, and is not. */
export async function missingCapability(
  { inputRequests = {} }: InputRequiredResult,
  capabilities: ClientCapabilities,
): Promise<MissingRequiredClientCapabilityError | undefined> {
  const lacking: Record<string, object> = {};
  for (const { method } of Object.values(inputRequests)) {
    if (method === "elicitation/create" && !capabilities.elicitation) lacking.elicitation = {};
    if (method === "sampling/createMessage" && !capabilities.sampling) lacking.sampling = {};
    if (method === "roots/list" && !capabilities.roots) lacking.roots = {};
  }
  return Object.keys(lacking).length === 0 ? undefined : missing(lacking);
}
