// The answer of a keyed call as its claim keeps it. Knows neither claims nor what was called.
import { AppError, ERROR_CODES, type ErrorCode } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Entry } from "../stores/state-store.ts";
import { byteLength } from "../text.ts";

/** How a completed call was answered. */
export type Answer = { readonly result: Record<string, unknown> } | { readonly error: AppError };

/** The result. @throws AppError that was the answer. */
export function unwrap(answer: Answer): Record<string, unknown> {
  if ("error" in answer) throw answer.error;
  return answer.result;
}

/** What a claim keeps of an answer: one that is too large is only said to have been given. */
export function encodeAnswer(answer: Answer, limits: Limits): Record<string, string> {
  const kept =
    "error" in answer
      ? { error: { code: answer.error.code, message: answer.error.message, details: answer.error.details } }
      : { result: answer.result };
  const text = JSON.stringify(kept);
  if (byteLength(text) <= limits.valueMaxBytes) return { answer: text };
  const note = {
    code: "too_large",
    message: "This call has been made; its answer was too large to be kept for a re-send.",
  };
  return { answer: JSON.stringify({ error: note }) };
}

/** The answer that a completed claim holds. */
export function answerOf(entry: Entry): Answer {
  const kept = JSON.parse(String(entry.attributes.answer)) as {
    result?: Record<string, unknown>;
    error?: { code: string; message: string; details?: Record<string, unknown> };
  };
  if (kept.result) return { result: kept.result };
  const { code = "internal", message = "", details } = kept.error ?? {};
  const known = code in ERROR_CODES ? (code as ErrorCode) : "internal";
  return { error: new AppError(known, message, details && { details }) };
}
