// A lean way to DynamoDB for the state store: a signed JSON request over a connection that is kept. The AWS SDK's own packages say
// where and as whom; its client, three times as dear per request, is left out. Knows nothing of retries and verdicts.
import { AsyncLocalStorage } from "node:async_hooks";
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";
import type { Telemetry } from "../telemetry.ts";
import { CredentialsKeeper, type CredentialsProvider } from "./dynamodb-credentials.ts";
import { endpointOf } from "./dynamodb-endpoint.ts";
import type { Input, OperationName, Output } from "./dynamodb-request-types.ts";
import { type Credentials, Signer } from "./dynamodb-signature.ts";
import type { TableUse } from "./state-store.ts";

/** Milliseconds. */
export const CONNECT_TIMEOUT_MS = 1_000;
export const MAX_SOCKETS = 256;
/** A clock this far off is corrected by the server's: the bound of the AWS SDK. */
const SKEW_MS = 240_000;

/** Which DynamoDB, and as whom. Without options: AWS, as its own configuration says. */
export interface ClientOptions {
  /** Any DynamoDB-compatible engine, for example `http://127.0.0.1:8000`. Default: AWS. */
  endpoint?: string;
  /** A Unix socket or named pipe where the embedded engine listens; endpoint, region and credentials then default to its own. */
  socketPath?: string;
  /** Instead of `socketPath`, for an embedded engine that may move to another socket; the same defaults. */
  agent?: HttpAgent;
  region?: string;
  /** Default: the usual AWS chain. */
  credentials?: NonNullable<DynamoDBClientConfig["credentials"]>;
  /** How long the provider of credentials may take, in milliseconds. Default: 30,000. It is no part of a request's time. */
  credentialsTimeoutMs?: number;
  /** Is told of each request. Default: nothing is. */
  telemetry?: Telemetry | undefined;
}

/** An engine behind a socket asks for no secret, but the protocol wants some signature. */
export const EMBEDDED = {
  endpoint: "http://localhost",
  region: "local",
  credentials: { accessKeyId: "embedded", secretAccessKey: "embedded" },
} as const;

/** `options` with an embedded engine's defaults, where one is meant. */
export const withDefaults = (options: ClientOptions): ClientOptions =>
  options.socketPath === undefined && options.agent === undefined ? options : { ...EMBEDDED, ...options };

/** Where requests go, and with which region they are signed. */
interface Target {
  readonly secure: boolean;
  readonly hostname: string;
  readonly port: string;
  readonly host: string;
  readonly path: string;
  readonly signingRegion: string;
}

type Configuration = Omit<Parameters<typeof endpointOf>[0], "accountId"> & { readonly endpoint: string | undefined };

/** In the form of the AWS SDK's errors. */
const errorOf = (name: string, message: string, traits: object): Error =>
  Object.assign(new Error(message), { name, ...traits });

/** One per process: it holds the connections. Give it to `DynamoDBStore`. */
export class StateClient {
  readonly telemetry: Telemetry | undefined;
  readonly use = new AsyncLocalStorage<TableUse>();
  readonly #options: ClientOptions;
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;
  readonly #signer = new Signer();
  readonly #credentials: CredentialsKeeper;
  #configuration: Promise<Configuration> | undefined;
  #target: { readonly accountId: string | undefined; readonly target: Target } | undefined;
  /** What is added to this machine's clock, in milliseconds. */
  #clockOffset = 0;

  constructor(given: ClientOptions = {}) {
    const options = withDefaults(given);
    const { socketPath, agent, credentials } = options;
    this.#options = options;
    this.telemetry = options.telemetry;
    const kept = { keepAlive: true, maxSockets: MAX_SOCKETS };
    this.#http = agent ?? new HttpAgent({ ...kept, ...(socketPath !== undefined && { socketPath }) });
    this.#https = new HttpsAgent(kept);
    let chain: CredentialsProvider | undefined;
    const provide: CredentialsProvider = async () => {
      if (typeof credentials === "function") return credentials();
      if (credentials !== undefined) return credentials;
      chain ??= (await aws()).defaultProvider();
      return chain();
    };
    this.#credentials = new CredentialsKeeper(provide, options.credentialsTimeoutMs);
  }

  /** The region of the configuration. @throws Error when there is none. */
  async region(): Promise<string> {
    return (await this.#configured()).region;
  }

  /** Those that requests are signed with. @throws AppError("unavailable") naming the credentials. */
  credentials(): Promise<Credentials> {
    return this.#credentials.get();
  }

  /** Resolves when a request can be signed: not part of a request's time. @throws AppError("unavailable") naming the credentials. */
  ready(): Promise<unknown> | undefined {
    return this.#credentials.current() ? undefined : this.#credentials.get();
  }

  /**
   * One request, one answer, within `timeoutMs`.
   * @throws the engine's judgement, with its name and `$metadata.httpStatusCode`; a time-out; a socket's error.
   */
  async request<N extends OperationName>(name: N, input: Input<N>, timeoutMs: number): Promise<Output<N>> {
    const credentials = this.#credentials.current() ?? (await this.#credentials.get());
    const target = this.#targetFor(credentials) ?? (await this.#resolve(credentials));
    const body = JSON.stringify(input);
    const { host, path, signingRegion: region } = target;
    const offset = this.#clockOffset;
    const signed = { host, path, target: `DynamoDB_20120810.${name}`, body, region };
    const headers = this.#signer.sign(signed, credentials, Date.now() + offset);
    const { status, text, date } = await this.#exchange(target, headers, body, timeoutMs);
    const skewed = this.#correctClock(date, offset);
    if (status === 200) return parsed(text) as Output<N>;
    throw toError(status, text, skewed);
  }

  /** Closes the connections; what is under way fails. */
  destroy(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  #exchange(target: Target, headers: Record<string, string>, body: string, timeoutMs: number) {
    return new Promise<{ status: number; text: string; date: string | undefined }>((resolve, reject) => {
      const { hostname, port, path } = target;
      const options = { method: "POST", hostname, port, path, headers };
      const request = target.secure
        ? httpsRequest({ ...options, agent: this.#https })
        : httpRequest({ ...options, agent: this.#http });
      const timer = setTimeout(() => request.destroy(timeout("The request took too long.")), timeoutMs);
      const fail = (error: Error) => {
        clearTimeout(timer);
        reject(error);
      };
      boundConnecting(request, target.secure);
      request.once("error", fail);
      request.once("response", (response) => {
        // Errors after the head come here too: an answer that is cut has no end.
        response.once("error", fail);
        readAll(response, (text) => {
          clearTimeout(timer);
          const { date, age } = response.headers;
          resolve({ status: response.statusCode ?? 0, text, date: age === undefined ? date : undefined });
        });
      });
      request.setHeader("content-length", Buffer.byteLength(body));
      request.end(body);
    });
  }

  /** True when the server's clock says that this request was signed with a wrong time, and the next one will not be. */
  #correctClock(date: string | undefined, used: number): boolean {
    const server = date === undefined ? Number.NaN : Date.parse(date);
    if (Number.isNaN(server)) return false;
    const offset = server - Date.now();
    // Whole seconds and the way here make every clock seem a little off.
    if (Math.abs(offset - this.#clockOffset) >= SKEW_MS) this.#clockOffset = Math.abs(offset) >= SKEW_MS ? offset : 0;
    return Math.abs(offset - used) >= SKEW_MS;
  }

  #targetFor({ accountId }: Credentials): Target | undefined {
    return this.#target && this.#target.accountId === accountId ? this.#target.target : undefined;
  }

  async #resolve({ accountId }: Credentials): Promise<Target> {
    const configuration = await this.#configured();
    const { endpoint, region, fips, dualStack } = configuration;
    if (endpoint !== undefined && (fips || dualStack))
      throw misconfigured("FIPS and dual stack exclude an endpoint of one's own: leave one of them out.");
    const { url, signingRegion } = endpoint
      ? { url: endpoint, signingRegion: region }
      : endpointOf({ ...configuration, accountId });
    const { protocol, hostname, port, host, pathname } = new URL(url);
    const secure = protocol === "https:";
    // An address in brackets is written so in `Host`, and without them to the socket.
    const name = hostname.replace(/^\[|\]$/g, "");
    const path = pathname.length > 1 ? pathname.replace(/\/$/, "") : pathname;
    const target = { secure, hostname: name, port: port || (secure ? "443" : "80"), host, path, signingRegion };
    this.#target = { accountId, target };
    return target;
  }

  #configured(): Promise<Configuration> {
    this.#configuration ??= this.#configure().catch((error) => {
      this.#configuration = undefined;
      throw error;
    });
    return this.#configuration;
  }

  async #configure(): Promise<Configuration> {
    const { endpoint, region, credentials } = this.#options;
    // Everything is given: AWS's configuration has nothing to add.
    if (endpoint !== undefined && region !== undefined && credentials !== undefined)
      return { endpoint, region, fips: false, dualStack: false, accountIdMode: "preferred", partition: NONE };
    const { readAwsConfiguration, partition } = await aws();
    const read = await readAwsConfiguration({ region }).catch((error: Error) => {
      throw misconfigured(error.message, error);
    });
    return { ...read, partition: partition(read.region), endpoint: endpoint ?? read.endpoint };
  }
}

/** Where an endpoint is given, its partition is never asked. */
const NONE = { name: "", dnsSuffix: "", dualStackDnsSuffix: "", supportsFIPS: false, supportsDualStack: false };

/** The AWS SDK's packages for configuration and credentials. */
const aws = () => import("./dynamodb-aws.ts");

const timeout = (message: string) => errorOf("TimeoutError", message, {});
const misconfigured = (message: string, cause?: Error) => errorOf("ConfigurationError", message, { cause });

/** A new connection has a bound of its own, so that a second attempt has time left. */
function boundConnecting(request: ClientRequest, secure: boolean): void {
  request.once("socket", (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(() => request.destroy(timeout("The connection took too long.")), CONNECT_TIMEOUT_MS);
    socket.once(secure ? "secureConnect" : "connect", () => clearTimeout(timer));
    request.once("close", () => clearTimeout(timer));
  });
}

function readAll(response: IncomingMessage, done: (text: string) => void): void {
  const chunks: Buffer[] = [];
  response.on("data", (chunk: Buffer) => chunks.push(chunk));
  response.once("end", () => done((chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)).toString("utf8")));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // Without a status, like a reply that never came: what was asked may have been done.
    throw Object.assign(new Error("The answer is no JSON.", { cause }), { name: "UnreadableAnswer", code: "NO_JSON" });
  }
}

function toError(status: number, text: string, clockSkewCorrected: boolean): Error {
  const said = /^\s*\{/.test(text) ? read(text) : {};
  const type = typeof said.__type === "string" ? said.__type : "";
  const name = type.slice(type.lastIndexOf("#") + 1) || `Http${status}`;
  const message = said.message ?? said.Message;
  const $metadata = { httpStatusCode: status, clockSkewCorrected };
  return errorOf(name, typeof message === "string" ? message : name, { $metadata, Item: said.Item });
}

function read(text: string): { __type?: unknown; message?: unknown; Message?: unknown; Item?: unknown } {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** A client for `DynamoDBStore`. It never retries by itself; the store does. */
export const createStateClient = (options: ClientOptions = {}): StateClient => new StateClient(options);
