// What an engine said, as the caller of an item tool reads it. Knows no request.
import { AppError } from "../errors.ts";
import { PAGE_MAX_BYTES } from "../limits.ts";
import { cutText } from "../text.ts";
import type { UserExpressions } from "./expressions.ts";
import { type Attributes, fromAttributes, isObject } from "./json.ts";

/** What an error's sentence shows of an item; the whole of it is in the details. */
const SHOWN_MAX_CHARACTERS = 4_000;

export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly status: number | undefined;
  readonly item: Attributes | undefined;
}

/** What the SDK hangs on its errors. */
export function failure(thrown: unknown): Failure {
  const error = (isObject(thrown) ? thrown : {}) as {
    name?: string;
    message?: string;
    $metadata?: { httpStatusCode?: number };
    Item?: Attributes;
  };
  return {
    name: error.name ?? "",
    message: error.message || error.name || "",
    status: error.$metadata?.httpStatusCode,
    item: error.Item && Object.keys(error.Item).length > 0 ? error.Item : undefined,
  };
}

/** Whether a refusal says that the table is not what it was. */
export const isAboutShape = ({ name, message }: Failure): boolean =>
  name === "ResourceNotFoundException" ||
  (name === "ValidationException" &&
    /key element|\bkey schema|match the schema|missing the key|specified index|number of conditions on the keys|type mismatch for key/i.test(
      message,
    ));

/** `stands`: the item; undefined: there is none; "hidden": the caller may not read it. */
export function conditionFailed(
  stands: Attributes | undefined | "hidden",
  repeated: boolean,
  cause: unknown,
): AppError {
  const doubt = repeated
    ? " An earlier attempt of this call got no answer and may have been applied."
    : " Nothing was written.";
  if (stands === "hidden")
    return new AppError("conflict", `The condition does not hold.${doubt}`, { details: { field: "condition" }, cause });
  const item = stands && fromAttributes(stands);
  const text = JSON.stringify(item);
  const shown =
    item === undefined
      ? "There is no item with this key."
      : text.length <= SHOWN_MAX_CHARACTERS
        ? `The item is now: ${text}`
        : "The item is too large to be shown here: read it with get_item.";
  const details = {
    field: "condition",
    item: text === undefined || text.length <= PAGE_MAX_BYTES ? (item ?? null) : null,
  };
  return new AppError("conflict", `The condition does not hold.${doubt} ${shown}`, { details, cause });
}

/** What the engine calls a part of a request, and what the tools call it. */
const FIELDS: readonly (readonly [RegExp, string])[] = [
  [/KeyConditionExpression|key condition|Query condition/i, "key_condition"],
  [/Filter ?Expression/i, "filter_expression"],
  [/Projection ?Expression/i, "projection"],
  [/Condition ?Expression/i, "condition"],
  [/Update ?Expression|provided for update|invalid for update/i, "updates"],
  [/ExclusiveStartKey|starting key/i, "last_evaluated_key"],
  [/Index Key|\bitem\b/i, "item"],
];
/** What to do about it, where the engine's own words do not say. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /document path .* invalid for update/i,
    'The parent of a path must exist: set it as a whole first, or write an attribute whose name has a dot as ["a.b"].',
  ],
];

/** An engine's refusal as the caller reads it. */
export function refusal(message: string, expressions: UserExpressions, cause: unknown): AppError {
  const field = FIELDS.find(([pattern]) => pattern.test(message))?.[1];
  const text = cutText(expressions.explain(message.replace(/\s+/g, " ").trim()), 400);
  const sentence = /[.!?]$/.test(text) ? text : `${text}.`;
  const where = field === undefined ? "" : `${field}: `;
  const advice = ADVICE.find(([pattern]) => pattern.test(message))?.[1];
  return new AppError(
    "invalid_input",
    `${where}DynamoDB refused the request. ${sentence}${advice === undefined ? "" : ` ${advice}`}`,
    { ...(field !== undefined && { details: { field } }), cause },
  );
}

/** An update that counts must not be sent again while the first attempt may still arrive. */
export function unknownUpdate(): never {
  throw new AppError(
    "unavailable",
    "The update got no answer, and whether it was applied is not known. Read the item before you send it again.",
  );
}
