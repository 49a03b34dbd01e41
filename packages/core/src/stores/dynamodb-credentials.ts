// Keeps the credentials that requests are signed with: fetched once, renewed before they end, never inside a request's own time.
// Knows nothing of requests.
import { type AppError, StateUnavailable } from "../errors.ts";
import type { Credentials } from "./dynamodb-signature.ts";

/** Anything that gives credentials: the AWS SDK's chain, or a function of the caller's. */
export type CredentialsProvider = () => Promise<Credentials>;

/** Milliseconds. SSO, `credential_process` and a role behind a role may each take several seconds. */
export const CREDENTIALS_TIMEOUT_MS = 30_000;
/** Temporary credentials are renewed this long before their end, as the AWS SDK does. */
const RENEW_BEFORE_MS = 300_000;

export class CredentialsKeeper {
  readonly #provide: CredentialsProvider;
  readonly #timeoutMs: number;
  #kept: Credentials | undefined;
  #fetching: Promise<Credentials> | undefined;

  constructor(provide: CredentialsProvider, timeoutMs = CREDENTIALS_TIMEOUT_MS) {
    this.#provide = provide;
    this.#timeoutMs = timeoutMs;
  }

  /** What can be used at once, when there is something; a renewal that is due goes on beside it. */
  current(): Credentials | undefined {
    const left = this.#leftMs();
    if (left <= 0) return undefined;
    // A renewal that fails is noticed when the old credentials have ended.
    if (left < RENEW_BEFORE_MS) this.#fetch().catch(() => {});
    return this.#kept;
  }

  /** @throws AppError("unavailable") that names the credentials, when there are none or their provider is too slow. */
  async get(): Promise<Credentials> {
    return this.current() ?? within(this.#timeoutMs, this.#fetch());
  }

  #leftMs(): number {
    if (!this.#kept) return 0;
    const end = this.#kept.expiration?.getTime();
    return end === undefined ? Number.POSITIVE_INFINITY : end - Date.now();
  }

  /** Calls at the same moment share one fetch; one that a caller no longer waits for still serves the next. */
  #fetch(): Promise<Credentials> {
    this.#fetching ??= this.#provide()
      .then((credentials) => {
        this.#kept = credentials;
        return credentials;
      })
      .finally(() => {
        this.#fetching = undefined;
      });
    return this.#fetching;
  }
}

/** @throws AppError("unavailable") that names the credentials. */
export async function within<T>(timeoutMs: number, fetching: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    const late = () => reject(Object.assign(new Error("The provider took too long."), { name: "TimeoutError" }));
    timer = setTimeout(late, timeoutMs);
  });
  try {
    return await Promise.race([fetching, tooLong]);
  } catch (error) {
    throw credentialsUnavailable(error, timeoutMs);
  } finally {
    clearTimeout(timer);
  }
}

function credentialsUnavailable(cause: unknown, timeoutMs: number): AppError {
  const name = cause instanceof Error ? cause.name : "Error";
  const [what, advice] =
    name === "TimeoutError"
      ? [
          `Their provider did not answer within ${timeoutMs / 1000} s`,
          "Check credential_process, SSO or the role of the AWS profile.",
        ]
      : name === "CredentialsProviderError"
        ? ["No credentials were found", "Configure some: a profile, the environment or a role."]
        : [`Their provider failed (${name})`, "Check the AWS profile."];
  // The provider's own words may hold paths and account numbers: they are in `cause`, for the log.
  return new StateUnavailable(`The AWS credentials could not be fetched. ${what}. ${advice}`, {
    cause,
    retryAfterSeconds: 1,
  });
}
