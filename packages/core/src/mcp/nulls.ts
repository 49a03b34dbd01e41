// Members that clients send as null where they mean absent: whole agent frameworks write every optional member. Knows no carrier.

const OPTIONAL_PARAMS = ["arguments", "cursor", "_meta"] as const;

/**
 * A JSON-RPC message, or a batch, without the nulls that mean absent: `params`; in it `arguments`, `cursor` and `_meta`; of an
 * `initialize` any. Everything else is left as it is, and may be the very value given.
 */
export function withoutNulls(message: unknown): unknown {
  if (Array.isArray(message)) return message.map(withoutNulls);
  if (!isRecord(message) || !("params" in message)) return message;
  const { params, ...rest } = message;
  if (params === null) return rest;
  if (!isRecord(params)) return message;
  if (message.method === "initialize") return { ...message, params: deeplyWithoutNulls(params) };
  if (!OPTIONAL_PARAMS.some((name) => params[name] === null)) return message;
  const kept = Object.entries(params).filter(
    ([name, value]) => value !== null || !(OPTIONAL_PARAMS as readonly string[]).includes(name),
  );
  return { ...message, params: Object.fromEntries(kept) };
}

function deeplyWithoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(deeplyWithoutNulls);
  if (!isRecord(value)) return value;
  const kept = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(kept.map(([name, inner]) => [name, deeplyWithoutNulls(inner)]));
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
