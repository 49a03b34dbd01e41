// Sends spans to CloudWatch's endpoint for OTLP, whose requests AWS signs like those to any of its services: the exporters of
// OpenTelemetry do not sign. Knows no spans of ours and no environment.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-OTLPEndpoint.html
import { createHash, createHmac } from "node:crypto";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { defaultProvider } from "@aws-sdk/credential-provider-node";
import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import { JsonTraceSerializer } from "@opentelemetry/otlp-transformer";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import { SignatureV4 } from "@smithy/signature-v4";

/** As the exporters of OpenTelemetry wait. */
const TIMEOUT_MS = 10_000;
const AWS_HOST = /^xray\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$/;

/** Where spans go, and with whose signature. */
export interface SignedEndpoint {
  readonly url: string;
  readonly region: string;
  readonly credentials: ConstructorParameters<typeof SignatureV4>[0]["credentials"];
}

/** An endpoint whose requests are signed with the credentials that AWS's SDKs find; undefined where it is not AWS's and no region is given. */
export function signedEndpoint(url: string, region = regionOf(url)): SignedEndpoint | undefined {
  return region === undefined ? undefined : { url, region, credentials: defaultProvider() };
}

const regionOf = (url: string): string | undefined =>
  URL.canParse(url) ? AWS_HOST.exec(new URL(url).hostname)?.[1] : undefined;

/** An exporter whose requests are signed. One that fails is not sent again: its spans are lost, and the log says so. */
export class SignedSpanExporter implements SpanExporter {
  readonly #url: URL;
  readonly #signer: SignatureV4;
  readonly #sending = new Set<Promise<void>>();

  constructor({ url, region, credentials }: SignedEndpoint) {
    this.#url = new URL(url);
    this.#signer = new SignatureV4({ service: "xray", region, credentials, sha256: Sha256 });
  }

  /** Calls back when the spans are stored or lost. */
  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    const sending = this.#send(spans).then(
      () => done({ code: ExportResultCode.SUCCESS }),
      (error: Error) => done({ code: ExportResultCode.FAILED, error }),
    );
    this.#sending.add(sending);
    void sending.finally(() => this.#sending.delete(sending));
  }

  async forceFlush(): Promise<void> {
    await Promise.all(this.#sending);
  }

  shutdown(): Promise<void> {
    return this.forceFlush();
  }

  async #send(spans: ReadableSpan[]): Promise<void> {
    const json = JsonTraceSerializer.serializeRequest(spans);
    if (!json) throw new Error("the spans could not be written as JSON");
    const body = new Uint8Array(await promisify(gzip)(json));
    const { protocol, hostname, port, pathname, host } = this.#url;
    const { headers } = await this.#signer.sign({
      method: "POST",
      protocol,
      hostname,
      ...(port !== "" && { port: Number(port) }),
      path: pathname,
      query: {},
      headers: { host, "content-type": "application/json", "content-encoding": "gzip" },
      body,
    });
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const answer = await fetch(this.#url, { method: "POST", headers, body, signal }).catch((error: Error) => {
      const { message } = error.cause instanceof Error ? error.cause : error;
      throw new Error(`${host} could not be reached (${message})`, { cause: error });
    });
    if (answer.ok) return void (await answer.body?.cancel());
    throw new Error(`${host} answered ${answer.status}: ${(await answer.text()).slice(0, 300)}`);
  }
}

/** What the signer asks for, by Node's own. */
class Sha256 {
  readonly #hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", secret as Uint8Array);
  }
  update(data: string | Uint8Array): void {
    this.#hash.update(data);
  }
  async digest(): Promise<Uint8Array> {
    return new Uint8Array(this.#hash.digest());
  }
  reset(): void {}
}
