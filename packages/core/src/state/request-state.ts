// What a call remembers between asking its client and being answered. It stays in the table, under the caller's principal: the
// client holds a random name for it, which opens it once, for the same call, within ten minutes.
import { createHash, randomBytes } from "node:crypto";
import { type Clock, epochSeconds } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { StateStore } from "../stores/state-store.ts";
import { byteLength, canonicalJson } from "../text.ts";
import { requestStateKey, requestStateUsedKey } from "./keys.ts";

/** Long enough for a person to answer. */
const TTL_SECONDS = 600;
/** The mark of use outlives what it marks, so that no clock difference lets one be used again. */
const USED_MARGIN_SECONDS = 3600;
const NAME = /^[A-Za-z0-9_-]{32}$/;

/** What a state is bound to, besides its principal. */
export interface AskingCall {
  /** Such as `tools/call delete_item`. */
  readonly target: string;
  readonly arguments: unknown;
}

export class RequestStates {
  readonly #store: StateStore;
  readonly #clock: Clock;
  readonly #limits: Limits;

  constructor(options: { store: StateStore; clock: Clock; limits: Limits }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#limits = options.limits;
  }

  /** Keeps what a call wants back with the answer. Resolves to the name that the client carries. @throws AppError `too_large`. */
  async put(principal: string, call: AskingCall, state: string): Promise<string> {
    const bytes = byteLength(state);
    if (bytes > this.#limits.valueMaxBytes)
      throw new AppError("too_large", `requestState has ${bytes} bytes; the limit is ${this.#limits.valueMaxBytes}.`);
    const name = randomBytes(24).toString("base64url");
    const expiresAt = epochSeconds(this.#clock) + TTL_SECONDS;
    const attributes = { call: hashOf(call), state };
    await this.#store.create(requestStateKey(principal, name), attributes, { id: name, expiresAt });
    return name;
  }

  /**
   * Opens a state, once. `attempt` names who does: the same attempt may open it again, since the answer to its first try may
   * have been lost.
   * @throws AppError `invalid_input` for a state that is unknown, expired, used, another caller's or another call's: always the same.
   */
  async redeem(principal: string, call: AskingCall, name: string, attempt: string): Promise<string> {
    if (!NAME.test(name)) throw new InvalidRequestState();
    const kept = await this.#store.get(requestStateKey(principal, name));
    if (kept?.attributes.call !== hashOf(call)) throw new InvalidRequestState();
    const expiresAt = epochSeconds(this.#clock) + TTL_SECONDS + USED_MARGIN_SECONDS;
    const used = await this.#store.create(requestStateUsedKey(principal, name), {}, { id: attempt, expiresAt });
    if (!used.written) throw new InvalidRequestState();
    return String(kept.attributes.state);
  }
}

const hashOf = (call: AskingCall): string =>
  createHash("sha256")
    .update(canonicalJson([call.target, call.arguments]))
    .digest("base64url");

/** A protocol error rather than a tool's: the client has sent back something that it was not given. */
export class InvalidRequestState extends AppError {
  constructor() {
    super(
      "invalid_input",
      "requestState is not valid here, has been used, or has expired. Make the call again without it.",
    );
  }
}
