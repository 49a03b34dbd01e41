// The messages of the 2025 era that a connection without HTTP, such as stdio, answers without the official SDK. Knows no connection.
import { LOCAL_PRINCIPAL } from "../../principal.ts";
import { LEGACY_REVISIONS } from "../../protocol.ts";
import type { LegacyMessages } from "../plain-connection.ts";
import { hasOnly, isBare, isObject, isPlainId, MESSAGE_KEYS } from "../shapes.ts";
import { constantList, plainCall, plainClient, toolCallOf } from "./plain.ts";

type Message = Readonly<Record<string, unknown>>;

/** Of the one who started the process. Without HTTP a session has no id, and without a level everything is told. */
const LOCAL = {
  principal: LOCAL_PRINCIPAL,
  session: { id: undefined, logLevel: "" },
  timeLimitMs: undefined,
  unsent: undefined,
};

/** How a `PlainConnection` reads messages of the 2025 era. */
export const legacyMessages: LegacyMessages = {
  openingOf: (message) => {
    const opening = openingOf(message);
    const client = opening && plainClient({ initialize: JSON.stringify(opening) });
    if (!client) return undefined;
    return {
      client: client.text,
      protocolVersion: opening.protocolVersion,
      callOf: (asked, services) => {
        const call = plainCall(asked, services);
        return call && ((running) => toolCallOf(call, { ...LOCAL, ...running, client }));
      },
    };
  },
  isInitialized: (message) =>
    message.method === "notifications/initialized" &&
    hasOnly(message, MESSAGE_KEYS) &&
    (message.params === undefined || isBare(message.params)),
  constantMethodOf: (message) => (isPing(message) ? "ping" : constantList(message)?.method),
};

const isPing = ({ method, id, params, ...more }: Message): boolean =>
  method === "ping" && isPlainId(id) && params === undefined && hasOnly(more, MESSAGE_KEYS);

const OPENING_KEYS = new Set(["protocolVersion", "capabilities", "clientInfo"]);
const CLIENT_KEYS = new Set(["name", "version", "title"]);

/** The parameters of an `initialize`, if they are plain. */
function openingOf(message: Message): (Message & { readonly protocolVersion: string }) | undefined {
  const { id, method, params } = message;
  if (method !== "initialize" || !isPlainId(id) || !hasOnly(message, MESSAGE_KEYS)) return undefined;
  if (!isObject(params) || !hasOnly(params, OPENING_KEYS)) return undefined;
  const { protocolVersion, clientInfo } = params;
  if (typeof protocolVersion !== "string" || !LEGACY_REVISIONS.includes(protocolVersion)) return undefined;
  if (!isObject(clientInfo) || !hasOnly(clientInfo, CLIENT_KEYS) || !("name" in clientInfo && "version" in clientInfo))
    return undefined;
  if (!Object.values(clientInfo).every((text) => typeof text === "string")) return undefined;
  return { ...params, protocolVersion };
}
