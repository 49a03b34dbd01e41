// Answers that are the same for everybody until the process ends, as text but for the two ids in them. Knows no channel.
import type { Services } from "../calls/services.ts";
import { SERVER_INFO_META_KEY } from "../protocol.ts";
import { constantResults, type OfferTo, type ServerInfo } from "./offer.ts";
import { REQUEST_ID_META_KEY } from "./requests.ts";

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
    return new Map([...results].map(([method, result]) => [method, resultStart(JSON.stringify(result)) + meta]));
  }
}

const resultStart = (result: string): string => `{"result":${result.slice(0, -1)}`;

/** How the `_meta` of an answer begins, up to the request's id; only those of 2026 name the server. */
export function metaStart(server: Pick<ServerInfo, "name" | "version"> | undefined): string {
  const { name, version } = server ?? {};
  const info = server ? `${JSON.stringify({ [SERVER_INFO_META_KEY]: { name, version } }).slice(1, -1)},` : "";
  return `,"_meta":{${info}"${REQUEST_ID_META_KEY}":"`;
}

/** An answer's text from its beginning up to the request's id in its `_meta`. */
export const answerFrom = (start: string, requestId: string, id: string | number): string =>
  `${start}${requestId}"}}${endOf(id)}`;

/** How a message ends that answers this id. */
export const endOf = (id: string | number): string => `,"jsonrpc":"2.0","id":${JSON.stringify(id)}}`;
