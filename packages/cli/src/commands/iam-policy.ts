// `iam-policy`: prints the least IAM policy for the features that the configuration turns on.

import { type LoadOptions, loadConfig } from "@stateful-mcp/adapters/process";
import { type IamFeature, iamPolicy } from "@stateful-mcp/core/iam";
import { AppError } from "@stateful-mcp/core/runtime";
import { EXIT } from "../run.ts";

export interface IamPolicyOptions extends LoadOptions {
  tableArn?: string;
  setup?: true;
}

export async function printIamPolicy({ tableArn, setup, envFile }: IamPolicyOptions): Promise<number> {
  if (tableArn !== undefined && !/^arn:[a-z-]+:dynamodb:[a-z0-9-]+:\d{12}:table\/.+$/.test(tableArn))
    throw new AppError(
      "invalid_input",
      `--table-arn is ${JSON.stringify(tableArn)}; give the table's ARN, such as arn:aws:dynamodb:eu-central-1:123456789012:table/mcp_state`,
    );
  const { table, region, blobBucket, itemTables, itemModes, taskQueueUrl } = loadConfig({ envFile });
  const place = placeOf(tableArn, region);
  const tableArns = `arn:${place.partition}:dynamodb:${place.region}:${place.account}:table`;
  const writable = itemTables.filter((name) => itemModes.get(name) === "read-write");
  const features: IamFeature[] = ["state"];
  if (blobBucket !== undefined) features.push("blobs");
  if (taskQueueUrl !== undefined) features.push("tasks");
  if (itemTables.length > 0) features.push("items");
  if (writable.length > 0) features.push("itemWrites");
  if (setup) features.push("setup");
  const policy = iamPolicy(features, {
    table: tableArn ?? `${tableArns}/${table}`,
    itemTables: itemTables.flatMap((name) => [`${tableArns}/${name}`, `${tableArns}/${name}/index/*`]),
    writableItemTables: writable.map((name) => `${tableArns}/${name}`),
    bucket: `arn:${place.partition}:s3:::${blobBucket}`,
    objects: `arn:${place.partition}:s3:::${blobBucket}/*`,
    taskQueue: queueArn(place, taskQueueUrl),
  });
  const text = JSON.stringify(policy, null, 2);
  process.stdout.write(`${text}\n`);
  const open = ["<region>", "<account>"].filter((placeholder) => text.includes(placeholder));
  if (open.length > 0)
    process.stderr.write(
      `The policy still holds ${open.join(" and ")}: put yours in their places, or give --table-arn with the ARN of the state table.\n`,
    );
  return EXIT.done;
}

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html */
function queueArn(place: ReturnType<typeof placeOf>, url: string | undefined): string {
  const [account, name] = url === undefined ? [] : new URL(url).pathname.split("/").slice(1);
  return `arn:${place.partition}:sqs:${place.region}:${account || place.account}:${name || "<queue>"}`;
}

/** First letters of the regions outside the partition `aws`. */
const PARTITIONS = [
  ["cn-", "aws-cn"],
  ["us-gov-", "aws-us-gov"],
  ["eusc-", "aws-eusc"],
  ["us-iso-", "aws-iso"],
  ["us-isob-", "aws-iso-b"],
  ["eu-isoe-", "aws-iso-e"],
  ["us-isof-", "aws-iso-f"],
] as const;

/** Where the tables are: as the state table's ARN says, or else as the region does. Item tables are taken to be beside it. */
function placeOf(tableArn: string | undefined, region: string | undefined) {
  const [, partition, , arnRegion, account] = tableArn?.split(":") ?? [];
  const where = arnRegion || region || "<region>";
  const known = PARTITIONS.find(([start]) => where.startsWith(start))?.[1] ?? "aws";
  return { partition: partition || known, region: where, account: account || "<account>" };
}
