// The queue that wakes a worker for tasks, in Amazon SQS. Knows how messages travel, not what a worker does with them. In the bundle
// only of functions that have such a queue.
import { ChangeMessageVisibilityCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { Config, TaskMessage, TaskQueue } from "@stateful-mcp/core/runtime";

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html */
const DELAY_MAX_SECONDS = 900;

/** A queue in Amazon SQS. Errors of its requests are those of the AWS SDK, which has tried them again. */
export class SqsTasks implements TaskQueue {
  readonly #client: SQSClient;
  readonly #url: string;

  constructor(url: string, client: SQSClient) {
    this.#url = url;
    this.#client = client;
  }

  async send({ owner, id, fence }: TaskMessage, { afterMs = 0 } = {}): Promise<void> {
    const DelaySeconds = Math.min(DELAY_MAX_SECONDS, Math.ceil(afterMs / 1000));
    const MessageBody = JSON.stringify({ owner, id, fence });
    await this.#client.send(new SendMessageCommand({ QueueUrl: this.#url, MessageBody, DelaySeconds }));
  }

  /** Keeps a message that was received from being delivered again for so many seconds from now. */
  async keep(ReceiptHandle: string, VisibilityTimeout: number): Promise<void> {
    const input = { QueueUrl: this.#url, ReceiptHandle, VisibilityTimeout };
    await this.#client.send(new ChangeMessageVisibilityCommand(input));
  }
}

/** The queue that STATEFUL_MCP_TASK_QUEUE_URL names. */
export const openSqsTasks = (url: string, { region }: Pick<Config, "region">): SqsTasks =>
  new SqsTasks(url, new SQSClient({ ...(region !== undefined && { region }) }));
