// Amazon SQS on loopback, and Lambda's event source mapping: brings each message to a worker, deletes it when the worker says so, and
// leaves it to its visibility otherwise. Knows nothing of what messages mean.
import { json } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { DeleteMessageCommand, type Message, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { FaultProxy, Random } from "@stateful-mcp/rig";
import { type FauxqsServer, startFauxqs } from "fauxqs";
import type { LambdaFunction } from "./function.ts";

const NAME = "tasks";

export class TaskQueueService implements AsyncDisposable {
  /** As a template would tell it. */
  readonly url: string;
  /** Counts what functions ask of the queue, and can be away. */
  readonly proxy: FaultProxy;
  readonly #server: FauxqsServer;
  readonly #own: SQSClient;
  readonly #ownUrl: string;
  readonly #ended = new AbortController();
  readonly #polling: Promise<void>[] = [];

  private constructor(server: FauxqsServer, proxy: FaultProxy) {
    const { queueUrl } = server.createQueue(NAME, { region: "eu-west-1", attributes: { VisibilityTimeout: "960" } });
    const { pathname } = new URL(queueUrl);
    this.#server = server;
    this.proxy = proxy;
    this.url = `http://127.0.0.1:${proxy.port}${pathname}`;
    this.#ownUrl = `${server.address}${pathname}`;
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    this.#own = new SQSClient({ region: "eu-west-1", endpoint: server.address, credentials });
  }

  static async listen(): Promise<TaskQueueService> {
    const server = await startFauxqs({ port: 0, logger: false });
    return new TaskQueueService(
      server,
      await FaultProxy.start({ engine: { port: server.port }, random: new Random(1) }),
    );
  }

  /** Messages that were not deleted, delivered or not. */
  get size(): number {
    const { ready = [], delayed = [], inflight = [] } = this.#server.inspectQueue(NAME)?.messages ?? {};
    return ready.length + delayed.length + inflight.length;
  }

  /** From now on brings messages to this worker, one at a time, until its process ends. A worker may be given a short time. */
  bringTo(worker: LambdaFunction, timeoutMs?: number): void {
    this.#polling.push(this.#poll(worker, timeoutMs));
  }

  async #poll(worker: LambdaFunction, timeoutMs: number | undefined): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted && worker.alive) {
      const ask = new ReceiveMessageCommand({ QueueUrl: this.#ownUrl, MaxNumberOfMessages: 1 });
      const { Messages: [message] = [] } = await this.#own.send(ask);
      if (!message) await delay(50, undefined, { signal }).catch(() => {});
      // As Lambda does: what a worker fails on, or dies of, comes back when its time is over.
      else await this.#deliver(worker, message, timeoutMs).catch(() => {});
    }
  }

  async #deliver(worker: LambdaFunction, message: Message, timeoutMs: number | undefined): Promise<void> {
    const { MessageId: messageId, ReceiptHandle: receiptHandle, Body: body } = message;
    const answer = await worker.invoke({ Records: [{ messageId, receiptHandle, body }] }, timeoutMs);
    const { batchItemFailures } = (await json(answer.body)) as { batchItemFailures: unknown[] };
    if (batchItemFailures.length > 0) return;
    await this.#own.send(new DeleteMessageCommand({ QueueUrl: this.#ownUrl, ReceiptHandle: receiptHandle }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    this.#own.destroy();
    await this.proxy.close();
    await this.#server.stop();
  }
}
