// `iam-policy`: prints the least IAM policy for the features that the configuration turns on.

import { type LoadOptions, loadConfig } from "@stateful-mcp/adapters/process";
import { type IamFeature, iamPolicy } from "@stateful-mcp/core/iam";
import { EXIT } from "../run.ts";

export interface IamPolicyOptions extends LoadOptions {
  tableArn?: string;
  setup?: true;
}

export async function printIamPolicy({ tableArn, setup, envFile }: IamPolicyOptions): Promise<number> {
  const { table, region, blobBucket, itemTables, itemModes } = loadConfig({ envFile });
  const tableArns = `arn:aws:dynamodb:${region ?? "<region>"}:<account>:table`;
  const writable = itemTables.filter((name) => itemModes.get(name) === "read-write");
  const features: IamFeature[] = ["state"];
  if (blobBucket !== undefined) features.push("blobs");
  if (itemTables.length > 0) features.push("items");
  if (writable.length > 0) features.push("itemWrites");
  if (setup) features.push("setup");
  const policy = iamPolicy(features, {
    table: tableArn ?? `${tableArns}/${table}`,
    itemTables: itemTables.flatMap((name) => [`${tableArns}/${name}`, `${tableArns}/${name}/index/*`]),
    writableItemTables: writable.map((name) => `${tableArns}/${name}`),
    bucket: `arn:aws:s3:::${blobBucket}`,
    objects: `arn:aws:s3:::${blobBucket}/*`,
  });
  process.stdout.write(`${JSON.stringify(policy, null, 2)}\n`);
  if (tableArn === undefined)
    process.stderr.write("Put your account's number (and the region) into the table's ARN, or give --table-arn.\n");
  return EXIT.done;
}
