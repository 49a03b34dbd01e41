// Where the tasks of a server on Lambda are run: a queue that wakes a worker, its dead letters, and what is worth watching about both.
// The queue only wakes; the table stays the truth. Knows nothing of the API.
import { IAM_GRANTS, type IamFeature } from "@stateful-mcp/core/iam";
import { Duration } from "aws-cdk-lib";
import {
  type AddToPrincipalPolicyResult,
  Grant,
  type IGrantable,
  type IPrincipal,
  PolicyStatement,
  PrincipalPolicyFragment,
} from "aws-cdk-lib/aws-iam";
import { type Code, EventSourceMapping, type Function as LambdaFunction, RecursiveLoop } from "aws-cdk-lib/aws-lambda";
import { FilterPattern, MetricFilter } from "aws-cdk-lib/aws-logs";
import { Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { acknowledge, requireWhole } from "./checks.ts";
import { grantThrough } from "./encryption.ts";
import type { Signal } from "./monitoring.ts";
import type { Place } from "./network.ts";
import { type FunctionBasis, serverFunction } from "./server-function.ts";

/** The longest that a function may run. */
const LONGEST = Duration.minutes(15);
/** A message that a worker has taken is not delivered meanwhile, unless that worker says otherwise. */
const VISIBILITY = Duration.minutes(16);
const KEPT = Duration.days(4);
const DEAD_KEPT = Duration.days(14);
/** Runs that end without a word: after so many a message is a dead letter, and its task is found by the next look at it. */
const DELIVERIES = 5;
const PERIOD = Duration.minutes(5);

interface TaskWorkerProps extends FunctionBasis {
  readonly code: Code;
  readonly memoryMiB: number;
  readonly taskConcurrency: number | undefined;
  readonly place?: Place;
  readonly traced: boolean;
  readonly environment: Readonly<Record<string, string>>;
}

/** A worker for tasks behind a queue, with exactly the permissions that it needs beside those of the server. */
export class TaskWorker extends Construct implements IGrantable {
  readonly queue: Queue;
  readonly deadLetters: Queue;
  readonly function: LambdaFunction;
  readonly grantPrincipal: IPrincipal;
  /** For the function that makes tasks. */
  readonly environment: Readonly<Record<string, string>>;
  readonly signals: readonly Signal[];
  readonly #props: TaskWorkerProps;

  constructor(scope: Construct, id: string, props: TaskWorkerProps) {
    super(scope, id);
    const { taskConcurrency = 10 } = props;
    // https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    requireWhole("taskConcurrency", taskConcurrency, 2, 1000);
    this.#props = props;
    this.deadLetters = this.#queue("DeadLetters", { retentionPeriod: DEAD_KEPT });
    this.queue = this.#queue("Queue", {
      retentionPeriod: KEPT,
      visibilityTimeout: VISIBILITY,
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: DELIVERIES },
    });
    acknowledge(this.deadLetters, { SQS3: "It is the queue of dead letters itself." });
    this.environment = { STATEFUL_MCP_TASK_QUEUE_URL: this.queue.queueUrl };
    this.function = serverFunction(this, "Worker", {
      ...props,
      description: "Runs the tasks of the MCP server",
      timeout: LONGEST,
      // A task that outlives one run sends for the next one through the queue that called it: up to thousands of times, on purpose.
      recursiveLoop: RecursiveLoop.ALLOW,
      environment: { ...props.environment, ...this.environment },
    });
    this.grantPrincipal = this.function.grantPrincipal;
    this.grantSend(this.function);
    const receive = this.#grant(this.function, "taskWorker");
    const messages = new EventSourceMapping(this, "Messages", {
      target: this.function,
      eventSourceArn: this.queue.queueArn,
      batchSize: 1,
      maxConcurrency: taskConcurrency,
      reportBatchItemFailures: true,
    });
    // Lambda looks whether the role may receive when the mapping is made.
    receive.applyBefore(messages);
    this.signals = this.#signals();
  }

  /** Allows sending for the worker, and nothing else. */
  grantSend(grantee: IGrantable): void {
    this.#grant(grantee, "tasks");
    if (this.#props.encryptionKey) grantThrough(this.#props.encryptionKey, grantee, ["sqs"]);
  }

  #grant(grantee: IGrantable, feature: IamFeature): Grant {
    const actions = IAM_GRANTS[feature].flatMap((grant): string[] => [...grant.actions]);
    return Grant.addToPrincipal({ grantee, actions, resourceArns: [this.queue.queueArn] });
  }

  #queue(id: string, props: ConstructorParameters<typeof Queue>[2]): Queue {
    const { encryptionKey } = this.#props;
    return new Queue(this, id, {
      ...props,
      enforceSSL: true,
      ...(encryptionKey
        ? { encryption: QueueEncryption.KMS, encryptionMasterKey: encryptionKey }
        : { encryption: QueueEncryption.SQS_MANAGED }),
    });
  }

  #signals(): Signal[] {
    const name = `${this.node.addr.slice(-8)}-TasksGivenUp`;
    const filter = new MetricFilter(this, "TasksGivenUp", {
      logGroup: this.function.logGroup,
      filterPattern: FilterPattern.literal('{ $.message = "task" && $.outcome = "given_up" }'),
      metricNamespace: "StatefulMcp",
      metricName: name,
      metricValue: "1",
    });
    return [
      {
        id: "TaskDeadLetters",
        title: "Messages of tasks that no worker could take",
        metric: this.deadLetters.metricApproximateNumberOfMessagesVisible({ period: PERIOD }),
        alarmAbove: 0,
        advice:
          "Look for level error in the worker's log group; the tasks themselves are found again when a client asks for them.",
      },
      {
        id: "TaskQueueAge",
        title: "Age of the oldest message of a task, in seconds",
        metric: this.queue.metricApproximateAgeOfOldestMessage({ period: PERIOD }),
        alarmAbove: Duration.minutes(10).toSeconds(),
        advice: "More tasks are made than workers run: raise taskConcurrency, or the account's concurrency limit.",
      },
      {
        id: "TaskWorkerErrors",
        title: "Runs of the worker that ended with an error",
        metric: this.function.metricErrors({ period: PERIOD }),
        alarmAbove: 0,
        advice: "A tool ran out of memory or of time, or ended its process: see the worker's log group.",
      },
      {
        id: "TasksGivenUp",
        title: "Tasks given up after three runs",
        metric: filter.metric({ period: PERIOD, statistic: "Sum", label: "given up" }),
        alarmAbove: 0,
        advice: 'Look for outcome "given_up" in the worker\'s log group; the lines before it tell what the tool does.',
      },
    ];
  }
}

/** Two roles to which the same is granted. */
export class BothPrincipals implements IPrincipal {
  readonly assumeRoleAction = "sts:AssumeRole";
  readonly grantPrincipal: IPrincipal = this;
  readonly policyFragment: PrincipalPolicyFragment;
  readonly principalAccount?: string;
  readonly #both: readonly IPrincipal[];

  constructor(...both: readonly [IPrincipal, IPrincipal]) {
    this.#both = both;
    const arns = both.flatMap(({ policyFragment }) => policyFragment.principalJson.AWS ?? []);
    this.policyFragment = new PrincipalPolicyFragment({ AWS: arns });
    const [{ principalAccount }] = both;
    if (principalAccount !== undefined) this.principalAccount = principalAccount;
  }

  addToPolicy(statement: PolicyStatement): boolean {
    return this.addToPrincipalPolicy(statement).statementAdded;
  }

  addToPrincipalPolicy(statement: PolicyStatement): AddToPrincipalPolicyResult {
    const results = this.#both.map((one) => one.addToPrincipalPolicy(PolicyStatement.fromJson(statement.toJSON())));
    return results.find(({ statementAdded }) => !statementAdded) ?? results[0]!;
  }
}
