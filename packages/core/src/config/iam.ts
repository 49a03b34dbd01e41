// Which AWS actions each feature uses, and on what: the one table behind the roles that the CDK constructs make and the
// policy that `stateful-mcp iam-policy` prints. A test compares it with the requests that are really sent.

export { TABLE_SHAPE } from "../stores/table-shape.ts";

/**
 * What an action is allowed on: the state table, the bucket for large values, the objects in it, the user's own tables, or the queue that
 * brings tasks to their worker.
 */
export type IamResource = "table" | "bucket" | "objects" | "itemTables" | "writableItemTables" | "taskQueue";

/** Actions on one kind of resource. */
export interface IamGrant {
  /** Names the statement in a policy. */
  readonly sid: string;
  readonly on: IamResource;
  readonly actions: readonly string[];
}

/** The actions that each feature uses, and no others. */
export const IAM_GRANTS = {
  /** Serving with MCP_STATE_BACKEND=dynamodb. */
  state: [
    {
      sid: "State",
      on: "table",
      actions: [
        "dynamodb:BatchGetItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
      ],
    },
  ],
  /** Serving with STATEFUL_MCP_BLOB_BUCKET. */
  blobs: [
    { sid: "LargeValues", on: "objects", actions: ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"] },
    // Without it S3 answers 403 for an object that is not there, which could not be told from a refusal.
    { sid: "LargeValuesMissing", on: "bucket", actions: ["s3:ListBucket"] },
  ],
  /** Serving with DYNAMODB_TABLE_NAME: those tables and their indexes. */
  items: [
    {
      sid: "Items",
      on: "itemTables",
      actions: [
        "dynamodb:BatchGetItem",
        "dynamodb:DescribeTable",
        "dynamodb:GetItem",
        "dynamodb:Query",
        "dynamodb:Scan",
      ],
    },
  ],
  /** Serving with a table whose mode in STATEFUL_MCP_ITEM_MODES is `rw`. */
  itemWrites: [
    {
      sid: "ItemWrites",
      on: "writableItemTables",
      actions: ["dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
    },
  ],
  /** Serving with STATEFUL_MCP_TASK_QUEUE_URL. */
  tasks: [{ sid: "TaskMessages", on: "taskQueue", actions: ["sqs:SendMessage"] }],
  /** The worker of that queue, besides `state`, `tasks` and what its tools need. Lambda receives and deletes in its name. */
  taskWorker: [
    {
      sid: "TaskDeliveries",
      on: "taskQueue",
      actions: ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
    },
  ],
  /** The commands `setup`, `doctor` and `teardown`, and `serve --create-table`: for the operator, not for the server. */
  setup: [
    {
      sid: "Setup",
      on: "table",
      actions: [
        "dynamodb:CreateTable",
        "dynamodb:DeleteTable",
        "dynamodb:DescribeTable",
        "dynamodb:DescribeTimeToLive",
        "dynamodb:UpdateTimeToLive",
      ],
    },
  ],
} as const satisfies Record<string, readonly IamGrant[]>;

/** A feature of `IAM_GRANTS`. */
export type IamFeature = keyof typeof IAM_GRANTS;

/** A policy document as IAM takes it, in JSON. */
export interface IamPolicy {
  readonly Version: "2012-10-17";
  readonly Statement: readonly {
    readonly Sid: string;
    readonly Effect: "Allow";
    readonly Action: readonly string[];
    readonly Resource: string | readonly string[];
  }[];
}

/** The least policy for these features. `arns` names what each kind of resource is here. */
export const iamPolicy = (
  features: readonly IamFeature[],
  arns: Readonly<Record<IamResource, string | readonly string[]>>,
): IamPolicy => ({
  Version: "2012-10-17",
  Statement: features
    .flatMap((feature): readonly IamGrant[] => IAM_GRANTS[feature])
    .map(({ sid, on, actions }) => ({ Sid: sid, Effect: "Allow", Action: actions, Resource: arns[on] })),
});
