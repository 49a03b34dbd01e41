// A DynamoDB that answers every update alike and at once, over plain loopback or TLS: what is left is the client's work.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { answerQuestions } from "../control.ts";

const [key, certificate] = process.argv.slice(2);
const body = JSON.stringify({
  Attributes: { pk: { S: "P#bench" }, sk: { S: "V#generation#counter" }, v: { N: "2" }, "a.n": { N: "2" } },
});
const headers = { "content-type": "application/x-amz-json-1.0", "content-length": Buffer.byteLength(body) };
const answer: RequestListener = (request, response) => {
  request.resume().once("end", () => response.writeHead(200, headers).end(body));
};

async function start(): Promise<{ port: number }> {
  const server =
    key === undefined || certificate === undefined
      ? createServer(answer)
      : createTlsServer({ key: readFileSync(key), cert: readFileSync(certificate) }, answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port };
}

const ready = start();
answerQuestions({ ready: () => ready });
