// One DynamoDB request over a given connection, for the package's own few needs; it keeps the AWS SDK out of both processes.
import { request } from "node:http";
import type { Duplex } from "node:stream";

/** Sends one operation and returns the answer. DynamoDB's refusals reject with the exception's name, as in the AWS SDK. */
export function call<Output>(connect: () => Duplex, operation: string, input: object): Promise<Output> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        createConnection: connect,
        method: "POST",
        headers: {
          connection: "close",
          "content-type": "application/x-amz-json-1.0",
          "x-amz-target": `DynamoDB_20120810.${operation}`,
          // dynalite checks the shape of a signature, not the signature.
          "x-amz-date": "local",
          authorization: "AWS4-HMAC-SHA256 Credential=local, SignedHeaders=host, Signature=local",
        },
      },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8");
        answer.on("data", (chunk: string) => {
          text += chunk;
        });
        answer.on("error", reject);
        answer.on("end", () => {
          try {
            const body = JSON.parse(text);
            if (answer.statusCode === 200) resolve(body);
            else reject(refusal(operation, body));
          } catch (error) {
            reject(error);
          }
        });
      },
    );
    sent.on("error", reject);
    sent.end(JSON.stringify(input));
  });
}

function refusal(operation: string, body: { __type?: string; message?: string }): Error {
  const name = body.__type?.split("#").at(-1) ?? "UnknownError";
  return Object.assign(new Error(`${operation}: ${body.message || name}`), {
    name,
  });
}

export function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}
