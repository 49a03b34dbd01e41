// `iam-policy`: prints the least IAM policy for the features that the configuration turns on.

import { loadConfig } from "@stateful-mcp/adapters/process/compose";
import { type IamFeature, iamPolicy } from "@stateful-mcp/core/iam";
import { EXIT } from "../run.ts";

export interface IamPolicyOptions {
  tableArn?: string;
  setup?: true;
}

export async function printIamPolicy({ tableArn, setup }: IamPolicyOptions): Promise<number> {
  const { table, region, blobBucket } = loadConfig();
  const features: IamFeature[] = ["state"];
  if (blobBucket !== undefined) features.push("blobs");
  if (setup) features.push("setup");
  const policy = iamPolicy(features, {
    table: tableArn ?? `arn:aws:dynamodb:${region ?? "<region>"}:<account>:table/${table}`,
    bucket: `arn:aws:s3:::${blobBucket}`,
    objects: `arn:aws:s3:::${blobBucket}/*`,
  });
  process.stdout.write(`${JSON.stringify(policy, null, 2)}\n`);
  if (tableArn === undefined)
    process.stderr.write("Put your account's number (and the region) into the table's ARN, or give --table-arn.\n");
  return EXIT.done;
}
