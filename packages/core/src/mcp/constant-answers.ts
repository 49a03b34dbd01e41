// Answers that are the same for everybody until the process ends, as text but for the two ids in them. Knows no channel.
import type { Services } from "../calls/services.ts";
import { metaStart, resultStart } from "./jsonrpc-answer.ts";
import { constantResults, type OfferTo, type ServerInfo } from "./offer.ts";

/** Made with the first answer: a host that starts a process waits for nothing it does not ask for. */
export class ConstantAnswers {
  readonly #services: Services;
  readonly #server: ServerInfo;
  readonly #to: OfferTo;
  #starts: ReadonlyMap<string, string> | undefined;

  constructor(services: Services, server: ServerInfo, to: OfferTo) {
    this.#services = services;
    this.#server = server;
    this.#to = to;
  }

  /** What a method is answered up to the request's id, for `answerFrom`; undefined for what is not offered, or not the same each time. */
  startOf(method: string): string | undefined {
    this.#starts ??= this.#make();
    return this.#starts.get(method);
  }

  #make(): ReadonlyMap<string, string> {
    const meta = metaStart(this.#to.era === "modern" ? this.#server : undefined);
    const results = constantResults(this.#services, this.#server, this.#to);
    return new Map([...results].map(([method, result]) => [method, resultStart(result) + meta]));
  }
}
