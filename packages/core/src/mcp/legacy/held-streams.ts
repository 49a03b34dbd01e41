// The GET streams that this process holds open: how many of whom, of each session at most one that belongs to none of its calls, and
// how they end. Knows no request and not what the streams say.
import type { Services } from "../../calls/services.ts";
import { countedAs, type Principal } from "../../principal.ts";
import type { SseStream } from "../sse.ts";

/** Whose a stream is. */
export interface StreamHolder {
  readonly principal: Principal;
  /** The session whose standing stream it is; undefined: it belongs to a call. */
  readonly standingOf: string | undefined;
}

const nameOf = ({ principal, standingOf }: StreamHolder): string | undefined =>
  standingOf && `${principal.id} ${standingOf}`;

export class HeldStreams {
  readonly #services: Pick<Services, "state" | "observer">;
  /** How to end each, and whose it is. */
  readonly #all = new Map<() => void, Principal>();
  /** By principal and session. */
  readonly #standing = new Map<string, () => void>();
  #closed = false;

  constructor(services: Pick<Services, "state" | "observer">) {
    this.#services = services;
  }

  /** Why one more stream cannot be held; undefined when it can, also in place of the one that it would end. */
  refusal(holder: StreamHolder): string | undefined {
    if (this.#replacedBy(holder)) return undefined;
    const { listensPerProcess, listensPerPrincipal } = this.#services.state.limits;
    if (this.#all.size >= listensPerProcess)
      return `This server holds its limit of ${listensPerProcess} streams. Try again later.`;
    const counted = countedAs(holder.principal);
    if (counted === undefined) return undefined;
    const own = [...this.#all.values()].filter((one) => countedAs(one) === counted).length;
    return own < listensPerPrincipal ? undefined : `You have ${own} streams open, which is the limit. Close one first.`;
  }

  /** Counts a stream until the function is called, which ends it. Ends the one that it replaces. */
  hold(holder: StreamHolder, sse: Pick<SseStream, "close">): () => void {
    const { observer } = this.#services;
    const name = nameOf(holder);
    const end = () => {
      if (this.#all.delete(end)) observer?.happened({ kind: "listen", open: -1 });
      if (name !== undefined && this.#standing.get(name) === end) this.#standing.delete(name);
      sse.close();
    };
    this.#replacedBy(holder)?.();
    this.#all.set(end, holder.principal);
    observer?.happened({ kind: "listen", open: 1 });
    if (name !== undefined) this.#standing.set(name, end);
    if (this.#closed) end();
    return end;
  }

  /** Ends all, and from now on each that is held. */
  close(): void {
    this.#closed = true;
    for (const end of this.#all.keys()) end();
  }

  /** A client that opens another has lost the first, or will read it no more: what changes goes to one of them. */
  #replacedBy(holder: StreamHolder): (() => void) | undefined {
    const name = nameOf(holder);
    return name === undefined ? undefined : this.#standing.get(name);
  }
}
