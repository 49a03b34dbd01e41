// What a request brings along besides itself: what its carrier knows of it, and from that and its token, who calls.
import type { Context } from "hono";
import { type Access, authenticate } from "../auth/access.ts";
import type { Principal } from "../principal.ts";

/** What the carrier of a request knows about it: never part of the request, so no client can send it. */
export interface Carried {
  /** Who calls, for `access: { mode: "carrier" }`; of no effect otherwise. */
  readonly principal?: Principal;
  /** Milliseconds after which a call must have its answer, where that is less than the app's own limit. */
  readonly timeLimitMs?: number;
}

export interface Bindings {
  Bindings: Carried;
}

export type RequestContext = Context<Bindings>;

/** How callers are known here, and the scopes that tokens can have here. */
export interface Door {
  readonly access: Access;
  readonly knownScopes: ReadonlySet<string>;
}

/** Who calls. @throws AppError `unauthenticated`, `forbidden`, `unavailable`. */
export const principalOf = (c: RequestContext, { access, knownScopes }: Door): Promise<Principal> =>
  authenticate(access, c.req.header("authorization"), { carried: c.env.principal, knownScopes });
