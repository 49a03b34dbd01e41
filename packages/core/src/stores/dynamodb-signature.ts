// Signs requests to DynamoDB with AWS Signature Version 4. Knows nothing of operations, connections or where credentials come from.
import { createHmac, createSecretKey, hash, type KeyObject } from "node:crypto";

/** A key pair, with a token and an end when it is a temporary one. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  readonly expiration?: Date | undefined;
  readonly accountId?: string | undefined;
}

export interface Signable {
  /** Host and, unless it is the scheme's own, port. */
  readonly host: string;
  /** The path as sent, from `/`. */
  readonly path: string;
  /** `x-amz-target`. */
  readonly target: string;
  readonly body: string;
  readonly region: string;
}

/** The only body that is ever sent. */
export const CONTENT_TYPE = "application/x-amz-json-1.0";
const SERVICE = "dynamodb";

const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();

/** Signs for one caller. A signing key holds for one day, one region and one secret, so the last one is kept. */
export class Signer {
  #key: { readonly scope: string; readonly secret: string; readonly object: KeyObject } | undefined;

  /** The headers that make the request a signed one, at this time (milliseconds since the epoch). */
  sign(request: Signable, credentials: Credentials, now: number): Record<string, string> {
    const date = new Date(now).toISOString().replace(/[-:]|\.\d{3}/g, "");
    const { host, target, region } = request;
    const { sessionToken: token } = credentials;
    const withToken = token === undefined ? "" : `x-amz-security-token:${token}\n`;
    const names = `content-type;host;x-amz-date;${token === undefined ? "" : "x-amz-security-token;"}x-amz-target`;
    const headers = `content-type:${CONTENT_TYPE}\nhost:${host}\nx-amz-date:${date}\n${withToken}x-amz-target:${target}\n`;
    const canonical = `POST\n${escapedTwice(request.path)}\n\n${headers}\n${names}\n${hash("sha256", request.body)}`;
    const scope = `${date.slice(0, 8)}/${region}/${SERVICE}/aws4_request`;
    const toSign = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${hash("sha256", canonical)}`;
    const signature = createHmac("sha256", this.#keyFor(scope, region, credentials.secretAccessKey))
      .update(toSign)
      .digest("hex");
    return {
      "content-type": CONTENT_TYPE,
      host,
      "x-amz-date": date,
      ...(token !== undefined && { "x-amz-security-token": token }),
      "x-amz-target": target,
      authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
    };
  }

  #keyFor(scope: string, region: string, secret: string): KeyObject {
    if (this.#key?.scope !== scope || this.#key.secret !== secret) {
      const day = hmac(`AWS4${secret}`, scope.slice(0, 8));
      // Made once: Node.js makes one of bytes for each signature, which takes several times as long as the signature.
      const object = createSecretKey(hmac(hmac(hmac(day, region), SERVICE), "aws4_request"));
      this.#key = { scope, secret, object };
    }
    return this.#key.object;
  }
}

/** The path that is signed: escaped once more than the one that is sent. */
function escapedTwice(path: string): string {
  if (path === "/") return path;
  const percent = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return path
    .split("/")
    .map((part) => encodeURIComponent(part).replace(/[!'()*]/g, percent))
    .join("/");
}
