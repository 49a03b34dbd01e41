// Secrets Manager on loopback, as far as an authorizer uses it: one secret, whose value a test may change.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

export class Secrets implements AsyncDisposable {
  value: string;
  reads = 0;
  readonly #server: Server;

  private constructor(id: string, value: string) {
    this.value = value;
    this.#server = createServer(async (request, response) => {
      const asked = (await json(request)) as { SecretId?: string };
      const found = request.headers["x-amz-target"] === "secretsmanager.GetSecretValue" && asked.SecretId === id;
      if (found) this.reads += 1;
      response.writeHead(found ? 200 : 400, { "Content-Type": "application/x-amz-json-1.1" });
      response.end(
        JSON.stringify(found ? { Name: id, SecretString: this.value } : { __type: "ResourceNotFoundException" }),
      );
    });
  }

  static async listen(id: string, value: string): Promise<Secrets> {
    const secrets = new Secrets(id, value);
    secrets.#server.listen(0, "127.0.0.1");
    await once(secrets.#server, "listening");
    return secrets;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
