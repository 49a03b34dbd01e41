// A caller's idempotency key: one effect and one answer, however often and wherever the call is re-sent.
//
//   claim (put if absent, before the effect) ──▶ effect, under the claim's operation ──▶ completion (fenced, with the answer)
//
// A process that finds a claim open after its holder has gone silent takes it over and goes on under the same operation, which the
// entries recognise. Knows claims and operations, not what a call does.
import { createHash, randomBytes } from "node:crypto";
import { type Clock, epochSeconds } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Entry, Key, Operation, StateStore } from "../stores/state-store.ts";
import { byteLength, canonicalJson, cutText } from "../text.ts";
import { backoff, pause } from "../waiting.ts";
import { keyedSlot, OperationForgotten } from "./entry-writer.ts";
import { claimKey, principalOfPartition } from "./keys.ts";
import { type Held, heldForMs, LEASE_MS, Leases, leaseAttributes } from "./lease.ts";
import { type Answer, answerOf, encodeAnswer, unwrap } from "./recorded-answer.ts";

export const IDEMPOTENCY_KEY_MAX_BYTES = 255;
/** How long a second call waits for the first one's answer before it is told to come back. */
const WAIT_MS = 2_000;
const POLL_FIRST_MS = 25;
const POLL_MAX_MS = 250;
/** The same attempt may find its claim renewed, overtaken and renewed again; more often than this is no accident. */
const ROUNDS_MAX = 10;

const RENEWED = "stamp.";
const PINNED = "pin.";

export interface KeyedRequest {
  principal: string;
  tool: string;
  /** The resolved session, or empty. */
  session: string;
  key: string;
  arguments: Record<string, unknown>;
  /** What the call is going to read first: read in one request with the claim. */
  first?: Key | undefined;
}

/** Where the first attempt stood when it began to write: a later one must write there too. */
export interface Pin {
  readonly generation: string;
  /** For an append: the tail of the log as seen before the claim knew of it. */
  readonly tail?: number;
}

/** The claim belongs to another attempt now; go back and see what it does. */
export class ClaimLost extends Error {}

export class Idempotency {
  readonly store: StateStore;
  readonly clock: Clock;
  readonly leases: Leases;
  readonly limits: Limits;
  readonly #ttlSeconds: number;

  constructor(options: { store: StateStore; clock: Clock; limits: Limits; ttlSeconds: number }) {
    this.store = options.store;
    this.clock = options.clock;
    this.leases = new Leases(options.store, options.clock);
    this.limits = options.limits;
    this.#ttlSeconds = options.ttlSeconds;
  }

  /** Epoch seconds at which a claim put now ends. */
  get claimsEndAt(): number {
    return epochSeconds(this.clock) + this.#ttlSeconds;
  }

  /**
   * Runs the call once. `work` is given the keyed call, under whose identity it writes; it may be run again, by this attempt or
   * another process, as long as no answer has been recorded.
   * @throws AppError `key_reused`, `in_progress`, or what the call was answered with.
   */
  async run(
    request: KeyedRequest,
    options: { claimFirst: boolean },
    work: (call: KeyedCall) => Promise<Record<string, unknown>>,
  ): Promise<{ result: Record<string, unknown>; replayed: boolean }> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const begun = await this.#begin(request);
      if (!(begun instanceof KeyedCall)) return { result: unwrap(begun), replayed: true };
      try {
        if (options.claimFirst) await begun.claim();
        const answer = await begun.renewWhile(() => outcomeOf(() => work(begun)));
        return { result: unwrap(await begun.complete(answer)), replayed: false };
      } catch (error) {
        if (!(error instanceof ClaimLost)) throw error;
      }
    }
    throw inProgress(LEASE_MS);
  }

  /**
   * One attempt at the run of a task, as a keyed call: what it writes, an earlier attempt's entries recognise. Whose turn it is, the
   * task's own lease says, so a claim is taken over also when its holder seems alive. The first attempt has none to look for.
   */
  async attempt(task: { principal: string; id: string; first: boolean; expiresAt: number }): Promise<KeyedCall> {
    const hash = shortHash(canonicalJson(["task", task.id]));
    const key = claimKey(task.principal, hash);
    const { expiresAt } = task;
    if (task.first) return new KeyedCall(this, key, hash, "", { expiresAt });
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const entry = await this.store.get(key);
      if (!entry) return new KeyedCall(this, key, hash, "", { expiresAt });
      if (entry.attributes.status === "done") throw new ClaimLost();
      const held = await this.leases.take(key, entry, { fenceAbove: 0, expiresAt });
      if (held) return new KeyedCall(this, key, hash, "", { takenOver: { entry, held }, expiresAt });
    }
    throw inProgress(LEASE_MS);
  }

  async #begin(request: KeyedRequest): Promise<KeyedCall | Answer> {
    checkKey(request.key);
    const identity = canonicalJson([request.tool, request.session, request.key]);
    const hash = shortHash(identity);
    const key = claimKey(request.principal, hash);
    const argumentsHash = shortHash(canonicalJson(request.arguments));
    const deadline = performance.now() + WAIT_MS;
    const pauseMs = backoff(POLL_FIRST_MS, POLL_MAX_MS);
    for (let { first } = request; ; first = undefined) {
      const [entry, read] = first ? await this.store.getMany([key, first]) : [await this.store.get(key)];
      if (!entry)
        return new KeyedCall(this, key, hash, argumentsHash, { ...(first && { first: { key: first, entry: read } }) });
      if (entry.attributes.arguments !== argumentsHash) {
        throw new AppError(
          "key_reused",
          `The idempotency key ${JSON.stringify(cutText(request.key, 64))} was used for this tool with other arguments. Use a new key for a new call.`,
        );
      }
      if (entry.attributes.status === "done") return answerOf(entry);
      const waitMs = heldForMs(entry, this.clock);
      if (waitMs === 0) {
        const expiresAt = entry.expiresAt ?? this.claimsEndAt;
        const held = await this.leases.take(key, entry, { fenceAbove: 0, expiresAt });
        if (held) return new KeyedCall(this, key, hash, argumentsHash, { takenOver: { entry, held } });
      } else if (performance.now() > deadline) throw inProgress(waitMs);
      const pollMs = pauseMs();
      await pause(Math.min(pollMs, waitMs || pollMs));
    }
  }

  /**
   * Of the given keyed slots in a partition, those whose claim is completed or gone. Only these may be forgotten: an open
   * claim's next attempt still has to find its operation recorded.
   */
  async completedSlots(pk: string, slots: readonly string[]): Promise<ReadonlySet<string>> {
    const principal = principalOfPartition(pk);
    const completed = await Promise.all(
      slots.map(async (slot) => {
        const claim = await this.store.get(claimKey(principal, claimHashOf(slot)));
        return !claim || claim.attributes.status === "done" ? [slot] : [];
      }),
    );
    return new Set(completed.flat());
  }
}

/** One attempt at a keyed call. Its claim is put at its first write, so that a call that writes nothing first costs nothing. */
export class KeyedCall {
  readonly #idempotency: Idempotency;
  readonly #key: Key;
  readonly #hash: string;
  readonly #argumentsHash: string;
  #held: Held | undefined;
  /** Set from the moment the claim is being put, so that writes made in parallel put one claim. */
  #claiming: Promise<void> | undefined;
  #seed = "";
  #stamp = 0;
  /** Stamps of writes that had to be renewed, by the write's position in the call. */
  readonly #renewed = new Map<number, number>();
  #first: { readonly key: Key; readonly entry: Entry | undefined } | undefined;
  readonly #pins = new Map<string, Promise<Pin>>();
  /** The pins seen before the claim is put, as attributes of it. */
  readonly #pinnedFirst: Record<string, string> = {};
  /** When its claim ends; undefined: as every claim does. */
  readonly #expiresAt: number | undefined;
  #writes = 0;

  constructor(
    idempotency: Idempotency,
    key: Key,
    hash: string,
    argumentsHash: string,
    known: {
      takenOver?: { entry: Entry; held: Held };
      first?: { key: Key; entry: Entry | undefined };
      expiresAt?: number;
    },
  ) {
    this.#idempotency = idempotency;
    this.#key = key;
    this.#hash = hash;
    this.#argumentsHash = argumentsHash;
    this.#first = known.first;
    this.#expiresAt = known.expiresAt;
    const { takenOver } = known;
    if (!takenOver) return;
    const { attributes } = takenOver.entry;
    this.#held = takenOver.held;
    this.#claiming = Promise.resolve();
    this.#seed = String(attributes.seed);
    this.#stamp = Number(attributes.stamp);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith(RENEWED)) this.#renewed.set(Number(name.slice(RENEWED.length)), Number(value));
      if (name.startsWith(PINNED))
        this.#pins.set(name.slice(PINNED.length), Promise.resolve(JSON.parse(String(value)) as Pin));
    }
  }

  /** What stood under `key` when the call began, if it was read then; told once, because the call may change it. */
  takeFirstRead(key: Key): { readonly entry: Entry | undefined } | undefined {
    const first = this.#first;
    if (first?.key.pk !== key.pk || first.key.sk !== key.sk) return undefined;
    this.#first = undefined;
    return first;
  }

  /** Where writes of this call to `place` go: as the first attempt saw it, when there was one. */
  pin(place: string, seen: () => Promise<Pin>): Promise<Pin> {
    const known = this.#pins.get(place) ?? this.#pinNow(place, seen);
    this.#pins.set(place, known);
    return known;
  }

  async #pinNow(place: string, seen: () => Promise<Pin>): Promise<Pin> {
    const pin = await seen();
    const attribute = { [PINNED + place]: JSON.stringify(pin) };
    if (!this.#claiming) {
      Object.assign(this.#pinnedFirst, attribute);
      await this.claim();
      return pin;
    }
    await this.claim();
    // A claim without this pin has written nothing yet that it would bind.
    await this.#record(attribute);
    return pin;
  }

  /** Puts the claim, if that has not happened. @throws ClaimLost when another attempt was faster. */
  claim(): Promise<void> {
    this.#claiming ??= this.#putClaim();
    return this.#claiming;
  }

  async #putClaim(): Promise<void> {
    const { clock, store } = this.#idempotency;
    const lease = leaseAttributes(clock, 1);
    this.#stamp = clock.now();
    this.#seed = randomBytes(16).toString("base64url");
    const attributes = {
      ...lease,
      seed: this.#seed,
      status: "open",
      arguments: this.#argumentsHash,
      stamp: this.#stamp,
      ...this.#pinnedFirst,
    };
    const expiresAt = this.#expiresAt ?? this.#idempotency.claimsEndAt;
    const put = await store.create(this.#key, attributes, { id: lease.owner, expiresAt });
    if (!put.written) throw new ClaimLost();
    this.#held = { key: this.#key, owner: lease.owner, fence: lease.fence };
  }

  /**
   * Takes the call's next place at once, and makes a write under that identity later. Calls that are run again begin the same
   * writes in the same order, so each finds what an earlier attempt has recorded, also when they run in parallel.
   */
  nextWrite(): <T>(apply: (operation: Operation) => Promise<T>) => Promise<T> {
    const position = this.#writes++;
    return (apply) => this.#write(position, apply);
  }

  async #write<T>(position: number, apply: (operation: Operation) => Promise<T>): Promise<T> {
    await this.claim();
    for (;;) {
      const stamp = this.#renewed.get(position) ?? this.#stamp;
      try {
        return await apply({ slot: keyedSlot(this.#hash, position), stamp });
      } catch (error) {
        if (!(error instanceof OperationForgotten)) throw error;
        // The entry forgets a keyed operation only after its claim is completed, and this claim is still open when the new
        // stamp is recorded: the operation has not been applied, and the old stamp can never be.
        const renewed = Math.max(this.#idempotency.clock.now(), error.watermark + 1);
        await this.#record({ [RENEWED + position]: renewed });
        this.#renewed.set(position, renewed);
      }
    }
  }

  /** 128 random bits that every attempt at this call shares: for ids that it mints. */
  async seed(): Promise<string> {
    await this.claim();
    return this.#seed;
  }

  /** Shows the holder alive while it works. */
  renewWhile<T>(work: () => Promise<T>): Promise<T> {
    const { leases } = this.#idempotency;
    const timer = setInterval(() => {
      if (this.#held) void leases.renew(this.#held).catch(() => {});
    }, LEASE_MS / 3);
    return work().finally(() => clearInterval(timer));
  }

  /**
   * Records the answer, if this attempt still holds the claim. A holder that was overtaken records nothing.
   * @throws ClaimLost when another attempt has taken over; its answer is the call's.
   */
  async complete(answer: Answer): Promise<Answer> {
    if ("error" in answer && (answer.error.retryable || answer.error.beforeEffect)) {
      // Nothing has happened, or it is not known: the claim stays open for the re-send to finish, without waiting for us.
      // Not waited for either: while the store is away, this would double the time until the caller hears of it.
      if (this.#held) void this.#idempotency.leases.release(this.#held).catch(() => {});
      return answer;
    }
    if (!this.#held) {
      // An error before anything was claimed is no answer to keep: the call has had no effect.
      if ("error" in answer) return answer;
      await this.claim();
    }
    await this.#record({ status: "done", ...encodeAnswer(answer, this.#idempotency.limits) });
    return answer;
  }

  /** For a call whose answer is kept elsewhere: what it wrote may be forgotten, because no attempt of it follows. */
  async close(): Promise<void> {
    if (this.#held) await this.#record({ status: "done" });
  }

  async #record(attributes: Record<string, string | number>): Promise<void> {
    const held = this.#held;
    if (!held) throw new ClaimLost();
    const match = { status: "open", owner: held.owner, fence: held.fence };
    const result = await this.#idempotency.store.update(this.#key, { set: attributes }, { on: "live", match });
    // A lost reply makes the second attempt fail although the first recorded it.
    const current = result.applied ? result.entry : result.current;
    const ours = current?.attributes.owner === held.owner && current.attributes.fence === held.fence;
    const recorded = Object.entries(attributes).every(([name, value]) => current?.attributes[name] === value);
    if (!ours || !recorded) throw new ClaimLost();
  }
}

function checkKey(key: string): void {
  const bytes = byteLength(key);
  if (key === "" || bytes > IDEMPOTENCY_KEY_MAX_BYTES || !key.isWellFormed())
    throw new AppError(
      "invalid_input",
      `idempotency_key must be 1 to ${IDEMPOTENCY_KEY_MAX_BYTES} bytes; this one has ${bytes}.`,
    );
}

const shortHash = (text: string): string => createHash("sha256").update(text).digest("base64url").slice(0, 22);
/** The inverse of `keyedSlot`. */
const claimHashOf = (slot: string): string => slot.slice(1, slot.lastIndexOf("."));

const inProgress = (waitMs: number): AppError =>
  new AppError("in_progress", "The same call is still running. Send it again with the same key in a moment.", {
    retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
  });

async function outcomeOf(work: () => Promise<Record<string, unknown>>): Promise<Answer> {
  try {
    return { result: await work() };
  } catch (error) {
    if (error instanceof AppError) return { error };
    throw error;
  }
}
