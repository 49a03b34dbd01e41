// Blobs as objects of one S3 bucket (or any service that speaks its language). Knows keys and bytes only.
//
// What the bucket needs: encryption, no public access, and lifecycle rules for blobs whose entry has ended, since nothing here
// lists the bucket. A blob under `value/` is reachable until its session's hard end, so it may expire some days after the
// longest session; one under `result/` some days after the longest lifetime of a cached result. The process needs
// s3:GetObject, s3:PutObject and s3:DeleteObject on the objects, and s3:ListBucket on the bucket, without which a missing
// object is answered with 403 instead of 404.
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from "@aws-sdk/client-s3";
import { type AppError, StateUnavailable } from "../errors.ts";
import { within } from "../waiting.ts";
import type { BlobStore } from "./blob-store.ts";

/** Milliseconds. A bucket that refuses or says nothing is given up within 5 s; one that transfers, however slowly, gets 15 s. */
const CONNECT_TIMEOUT_MS = 1_000;
const SILENCE_TIMEOUT_MS = 1_500;
const TOTAL_TIMEOUT_MS = 15_000;
const MAX_ATTEMPTS = 3;
const MAX_SOCKETS = 64;

/** Which bucket, and as whom. */
export interface S3BlobOptions {
  bucket: string;
  /** Default: the AWS configuration's. */
  region?: string;
  /** Another service, for example `http://127.0.0.1:9000`; buckets are then part of the path. Default: AWS. */
  endpoint?: string;
  /** Default: the usual AWS chain. */
  credentials?: NonNullable<S3ClientConfig["credentials"]>;
}

/** Values too large for the table, in an S3 bucket. What a method may throw stands at `BlobStore`. */
export class S3Blobs implements BlobStore {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor({ bucket, region, endpoint, credentials }: S3BlobOptions) {
    this.#bucket = bucket;
    const agentOptions = { keepAlive: true, maxSockets: MAX_SOCKETS };
    this.#client = new S3Client({
      ...(region !== undefined && { region }),
      ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
      ...(credentials !== undefined && { credentials }),
      maxAttempts: MAX_ATTEMPTS,
      requestHandler: {
        connectionTimeout: CONNECT_TIMEOUT_MS,
        socketTimeout: SILENCE_TIMEOUT_MS,
        httpAgent: new HttpAgent(agentOptions),
        httpsAgent: new HttpsAgent(agentOptions),
      },
    });
  }

  put(key: string, bytes: Uint8Array): Promise<void> {
    return this.#inTime(async (options) => {
      await this.#client.send(new PutObjectCommand({ Bucket: this.#bucket, Key: key, Body: bytes }), options);
    });
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#inTime(async (options) => {
      try {
        const { Body } = await this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key }), options);
        return await Body?.transformToByteArray();
      } catch (error) {
        if (error instanceof NoSuchKey) return undefined;
        throw error;
      }
    });
  }

  delete(key: string): Promise<void> {
    return this.#inTime(async (options) => {
      await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: key }), options);
    });
  }

  /** Ends the connections. */
  close(): void {
    this.#client.destroy();
  }

  /** The handler's time-outs end when the reply's head arrives; this one also covers credentials and the reply's body. */
  async #inTime<T>(request: (options: { abortSignal: AbortSignal }) => Promise<T>): Promise<T> {
    const tooLate = () => Object.assign(new Error("The request took too long."), { name: "TimeoutError" });
    try {
      return await within(TOTAL_TIMEOUT_MS, (abortSignal) => request({ abortSignal }), tooLate);
    } catch (error) {
      throw unavailable(this.#bucket, error);
    }
  }
}

const ADVICE: Readonly<Record<string, string>> = {
  NoSuchBucket: "It does not exist there: create it, or check its name, the region and the endpoint.",
  PermanentRedirect: "It is in another region: check the region.",
  AccessDenied: "These credentials may not use it: check the permissions.",
  InvalidAccessKeyId: "The credentials are not known there: check them and the endpoint.",
  SignatureDoesNotMatch: "The credentials were refused: check the secret key.",
  ExpiredToken: "The credentials have expired: renew them.",
  CredentialsProviderError: "No credentials were found: configure some.",
};

function unavailable(bucket: string, cause: unknown): AppError {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  // Names only: a service's message may hold account numbers and addresses. The whole of it is in `cause`, for the log.
  const reason = "code" in error && typeof error.code === "string" ? error.code : error.name;
  const advice = ADVICE[error.name] ?? "Try again in a moment.";
  const message = `The bucket "${bucket}" for large values cannot be used right now (${reason}). ${advice}`;
  return new StateUnavailable(message, { cause, retryAfterSeconds: 1 });
}
