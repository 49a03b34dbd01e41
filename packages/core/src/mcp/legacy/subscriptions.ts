// What a 2025-era session has asked to be told of: one entry per resource, with the version its client has been told of last.
// That version outlives streams and instances, so a change that no stream was there to tell is told later.
import { createHash, randomBytes } from "node:crypto";
import { AppError } from "../../errors.ts";
import { subscriptionKey, subscriptionPrefix } from "../../state/keys.ts";
import type { StateStore } from "../../stores/state-store.ts";

/** Each costs two small reads per look. */
const SUBSCRIPTIONS_MAX = 32;

export interface Subscription {
  readonly uri: string;
  readonly version: string;
}

export class Subscriptions {
  readonly #store: StateStore;

  constructor(store: StateStore) {
    this.#store = store;
  }

  /** Subscribing again changes nothing. @throws AppError `rate_limited` beyond 32 of one session. */
  async add(
    principal: string,
    session: { readonly id: string; readonly hardEnd: number },
    subscription: Subscription,
  ): Promise<void> {
    const { uri, version } = subscription;
    const key = subscriptionKey(principal, session.id, hashOf(uri));
    if ((await this.list(principal, session.id)).length >= SUBSCRIPTIONS_MAX && !(await this.#store.get(key)))
      throw new AppError(
        "rate_limited",
        `This session has ${SUBSCRIPTIONS_MAX} subscriptions, which is the limit. Unsubscribe from one first.`,
      );
    const id = randomBytes(9).toString("base64url");
    await this.#store.create(key, { uri, version }, { id, expiresAt: session.hardEnd });
  }

  async remove(principal: string, session: string, uri: string): Promise<void> {
    await this.#store.delete(subscriptionKey(principal, session, hashOf(uri)));
  }

  async list(principal: string, session: string): Promise<Subscription[]> {
    const { pk, prefix } = subscriptionPrefix(principal, session);
    const page = await this.#store.list(pk, { prefix, limit: SUBSCRIPTIONS_MAX });
    return page.entries.map(({ attributes }) => ({
      uri: String(attributes.uri),
      version: String(attributes.version),
    }));
  }

  /** Notes that the client has been told of a version. */
  async told(principal: string, session: string, { uri, version }: Subscription): Promise<void> {
    await this.#store.update(subscriptionKey(principal, session, hashOf(uri)), { set: { version } }, { on: "live" });
  }
}

const hashOf = (uri: string): string => createHash("sha256").update(uri).digest("base64url");
