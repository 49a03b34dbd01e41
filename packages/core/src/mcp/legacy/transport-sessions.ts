// 2025-era transport sessions (`Mcp-Session-Id`) in the table, so that any instance can go on with one: what the client said
// when it initialized, messages for whichever instance waits for them, and the end. Knows no HTTP and no server.
import { randomBytes } from "node:crypto";
import { type Clock, epochSeconds } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import { TOMBSTONE_SECONDS } from "../../state/entry-writer.ts";
import { legacyMessageKey, legacySessionKey } from "../../state/keys.ts";
import type { StateStore } from "../../stores/state-store.ts";
import { byteLength } from "../../text.ts";

export interface LegacySession {
  readonly id: string;
  /** The params of its `initialize`, as JSON text. */
  readonly initialize: string;
  readonly protocolVersion: string;
  /** The level its client set with `logging/setLevel`; empty: none. */
  readonly logLevel: string;
  readonly activeAt: number;
  /** Names the one stream that tells of its changes; empty: there was none yet. */
  readonly stream: string;
  /** Epoch seconds; what its events carry as their own expiry. */
  readonly hardEnd: number;
}

/** Clients hold a session for as long as their window is open, and hardly any initializes again after losing one. */
const IDLE_SECONDS = 7 * 86_400;
const HARD_END_SECONDS = 90 * 86_400;
const INITIALIZE_MAX_BYTES = 16_384;
/** Answers of people to questions come late; answers that no caller waits for must not stay. */
const MESSAGE_SECONDS = 900;
const MESSAGE_MAX_BYTES = 60_000;

/** How long ago a session began. */
export const ageSeconds = ({ hardEnd }: LegacySession, clock: Clock): number =>
  Math.max(0, epochSeconds(clock) - (hardEnd - HARD_END_SECONDS));

export class LegacySessions {
  readonly #store: StateStore;
  readonly #clock: Clock;

  constructor(store: StateStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** @throws AppError `too_large` when the client's `initialize` is. */
  async create(principal: string, initialize: unknown, protocolVersion: string): Promise<LegacySession> {
    const text = JSON.stringify(initialize);
    if (byteLength(text) > INITIALIZE_MAX_BYTES)
      throw new AppError("too_large", `initialize is larger than the limit of ${INITIALIZE_MAX_BYTES} bytes.`);
    const now = epochSeconds(this.#clock);
    // 192 random bits: the id is a capability beside the principal, never instead of it.
    const id = randomBytes(24).toString("base64url");
    const hardEnd = now + HARD_END_SECONDS;
    const attributes = { initialize: text, protocolVersion, logLevel: "", activeAt: now, hardEnd, stream: "" };
    await this.#store.create(legacySessionKey(principal, id), attributes, {
      id,
      expiresAt: now + IDLE_SECONDS,
    });
    return { id, ...attributes };
  }

  /** The live session, read strongly: one that was ended on another instance is gone here too. */
  async find(principal: string, id: string): Promise<LegacySession | undefined> {
    const entry = await this.#store.get(legacySessionKey(principal, id));
    if (!entry) return undefined;
    const { initialize, protocolVersion, logLevel, activeAt, hardEnd, stream = "" } = entry.attributes;
    return {
      id,
      initialize: String(initialize),
      protocolVersion: String(protocolVersion),
      logLevel: String(logLevel),
      activeAt: Number(activeAt),
      hardEnd: Number(hardEnd),
      stream: String(stream),
    };
  }

  /** Moves the sliding expiry, at most once per quarter of it. */
  async touch(principal: string, session: LegacySession): Promise<void> {
    const now = epochSeconds(this.#clock);
    if (now - session.activeAt < IDLE_SECONDS / 4) return;
    const expiresAt = Math.min(now + IDLE_SECONDS, session.hardEnd);
    await this.#store.update(
      legacySessionKey(principal, session.id),
      { set: { activeAt: now }, expiresAt },
      { on: "live" },
    );
  }

  async setLogLevel(principal: string, id: string, logLevel: string): Promise<void> {
    await this.#store.update(legacySessionKey(principal, id), { set: { logLevel } }, { on: "live" });
  }

  /** Makes another stream the one of this session; resolves to its name. */
  async takeStream(principal: string, id: string): Promise<string> {
    const stream = randomBytes(9).toString("base64url");
    await this.#store.update(legacySessionKey(principal, id), { set: { stream } }, { on: "live" });
    return stream;
  }

  /** Ends the session for every instance. False when there was none. */
  async end(principal: string, id: string): Promise<boolean> {
    const ended = await this.#store.update(
      legacySessionKey(principal, id),
      {
        bury: true,
        remove: ["initialize", "protocolVersion", "logLevel", "activeAt", "hardEnd", "stream"],
        expiresAt: epochSeconds(this.#clock) + TOMBSTONE_SECONDS,
      },
      { on: "live" },
    );
    return ended.applied;
  }

  /** Says that an instance waits for a message under this address. */
  async expectMessage(principal: string, id: string, address: string): Promise<void> {
    const expiresAt = epochSeconds(this.#clock) + MESSAGE_SECONDS;
    await this.#store.create(legacyMessageKey(principal, id, address), { at: 0 }, { id: address, expiresAt });
  }

  /**
   * Leaves a message for the instance that waits under this address, in place of an earlier one. `awaited`: only where one has said
   * that it waits; what answers nothing is not kept.
   */
  async leaveMessage(
    principal: string,
    id: string,
    address: string,
    message: unknown,
    awaited: boolean,
  ): Promise<void> {
    const text = JSON.stringify(message);
    if (byteLength(text) > MESSAGE_MAX_BYTES)
      throw new AppError("too_large", `The response is larger than the limit of ${MESSAGE_MAX_BYTES} bytes.`);
    const key = legacyMessageKey(principal, id, address);
    const expiresAt = epochSeconds(this.#clock) + MESSAGE_SECONDS;
    const change = { set: { message: text, at: this.#clock.now() }, expiresAt };
    const left = await this.#store.update(key, change, { on: awaited ? "live" : "live-or-missing" });
    if (!left.applied && !awaited) await this.#store.update(key, change, { on: "dead" });
  }

  /** The message left under this address at or after a time, in milliseconds; undefined: there is none. */
  async message(principal: string, id: string, address: string, sinceMs: number): Promise<unknown> {
    const entry = await this.#store.get(legacyMessageKey(principal, id, address));
    if (entry?.attributes.message === undefined || Number(entry.attributes.at) < sinceMs) return undefined;
    return JSON.parse(String(entry.attributes.message));
  }
}
