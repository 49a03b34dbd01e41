// Questions of a run to the person behind its client: opening what was asked before, and telling a question from a result.
import { randomUUID } from "node:crypto";
import type { InputRequiredResult } from "@modelcontextprotocol/server";
import type { Asking } from "../define/context.ts";
import { AppError } from "../errors.ts";
import type { Principal } from "../principal.ts";
import { isInputRequiredResult } from "../protocol.ts";
import type { KeyedCall } from "../state/idempotency.ts";
import type { AskingCall } from "../state/request-state.ts";
import type { CallSource, Services } from "./services.ts";

/** What a run is told of the questions asked before. Opens the state that the client brings back, which can be done once. */
export async function askingOf(
  services: Services,
  source: CallSource,
  call: AskingCall,
  keyed?: KeyedCall,
): Promise<Asking> {
  const { channel, principal } = source;
  const name = channel?.requestState;
  const requestState =
    name === undefined
      ? undefined
      : await services.state.requestStates.redeem(principal.id, call, name, (await keyed?.seed()) ?? randomUUID());
  return { answers: channel?.answers, capabilities: channel?.capabilities ?? {}, requestState };
}

/** Returns a run's result, unless it is a question. @throws InputNeeded */
export async function unlessAsking<T extends object>(
  services: Services,
  principal: Principal,
  call: AskingCall,
  result: T | InputRequiredResult,
): Promise<T> {
  if (!isInputRequiredResult(result)) return result as T;
  const { requestState, ...request } = result;
  if (requestState === undefined) throw new InputNeeded(call.target, request);
  const name = await services.state.requestStates.put(principal.id, call, requestState);
  throw new InputNeeded(call.target, { ...request, requestState: name });
}

/** A run has a question for its client. Not an error: thrown so that the part that waits for an answer knows that there is none yet. */
export class InputNeeded extends AppError {
  readonly request: InputRequiredResult;

  constructor(target: string, request: InputRequiredResult) {
    super(
      "in_progress",
      `${target} has a question for its user, and this way of calling it cannot ask. Call it over MCP.`,
    );
    this.request = request;
  }
}
