// Who acts on state, and as which owner; how a write of theirs is made. Ground: knows no session and no store.
import { createHash } from "node:crypto";
import { makePrincipal, type Principal } from "../principal.ts";
import type { Operation } from "../stores/state-store.ts";
import type { KeyedCall } from "./idempotency.ts";

/** Who makes the call that state is asked for. */
export interface Caller {
  readonly principal: Principal;
  /** The client program's name and version, as it gave them. */
  readonly client: string;
  /** The 2025-era transport session the call came in, if it came in one. */
  readonly transportSession?: string | undefined;
  /** Present when the call carries an idempotency key: its writes are made under this identity. */
  readonly keyed?: KeyedCall | undefined;
}

/** Anonymous callers have no identity to share: each handle is a principal of its own, so no key of one is near another's. */
export const ownerOf = (principal: Principal, id: string): string =>
  principal.kind === "anonymous" ? makePrincipal("anonymous", "stateful-mcp", id).id : principal.id;

/**
 * How to make a write that begins now: under the call's identity when it has an idempotency key, under the process's own
 * otherwise. To be called before anything is awaited, so that the order of writes does not depend on the store.
 */
export function beginWrite(
  keyed: KeyedCall | undefined,
): <T>(write: (operation: Operation | undefined) => Promise<T>) => Promise<T> {
  return keyed?.nextWrite() ?? ((write) => write(undefined));
}

/**
 * The session that a 2025-era connection has by itself. A name derived one way: a reader of the result learns nothing of the
 * transport session's own id.
 */
export function sessionOfTransport(id: string | undefined): string | undefined {
  return id && `chat-${createHash("sha256").update(id).digest("hex").slice(0, 16)}`;
}
