// An OAuth issuer on loopback: metadata, its key, and an access token for a client that shows its secret. Knows no server of ours.
import { generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

const CLIENT = { clientId: "agent", clientSecret: "agent-secret" };
const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

export class Issuer implements AsyncDisposable {
  readonly client = CLIENT;
  readonly #keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
  readonly #server: Server;

  private constructor() {
    this.#server = createServer(async (request, response) => {
      const form = new URLSearchParams(await text(request));
      const documents: Record<string, () => object> = {
        "/.well-known/oauth-authorization-server": () => ({
          issuer: this.url,
          authorization_endpoint: `${this.url}/authorize`,
          token_endpoint: `${this.url}/token`,
          jwks_uri: `${this.url}/keys`,
          response_types_supported: ["code"],
          grant_types_supported: ["client_credentials"],
          token_endpoint_auth_methods_supported: ["client_secret_basic"],
        }),
        "/keys": () => ({ keys: [{ ...this.#keys.publicKey.export({ format: "jwk" }), alg: "RS256", kid: "only" }] }),
        "/token": () => ({
          access_token: this.token(form.get("resource") ?? "", form.get("scope") ?? "read write"),
          token_type: "Bearer",
          expires_in: 300,
        }),
      };
      const known = `Basic ${btoa(`${CLIENT.clientId}:${CLIENT.clientSecret}`)}`;
      const document = documents[request.url ?? ""];
      if (!document || (request.url === "/token" && request.headers.authorization !== known))
        return void response.writeHead(document ? 401 : 404).end();
      response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(document()));
    });
  }

  static async listen(): Promise<Issuer> {
    const issuer = new Issuer();
    issuer.#server.listen(0, "127.0.0.1");
    await once(issuer.#server, "listening");
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** An access token for this audience (RFC 9068). */
  token(aud: string, scope: string): string {
    const now = Math.floor(Date.now() / 1000);
    const head = base64url({ alg: "RS256", typ: "at+jwt", kid: "only" });
    const claims = {
      iss: this.url,
      sub: CLIENT.clientId,
      client_id: CLIENT.clientId,
      aud,
      scope,
      iat: now,
      exp: now + 300,
    };
    const signed = `${head}.${base64url(claims)}`;
    return `${signed}.${sign("sha256", Buffer.from(signed), this.#keys.privateKey).toString("base64url")}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
