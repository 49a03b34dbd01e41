// The data, in a stack of its own, so that servers come and go without it.
import { CfnOutput, Stack, type StackProps } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { keyFor, type StackEncryptionProps } from "../encryption.ts";
import type { Settings } from "../settings.ts";
import { type IStateTable, StateTable, type StateTableNames, type StateTableProps } from "../state-table.ts";

/** The properties of `StateTable`, and of the stack around it. */
export interface StateStackProps extends StackProps, StateTableProps, StackEncryptionProps {}

/** The state table, in a stack of its own. Outputs `TableName`, and `BucketName` where there is a bucket. */
export class StateStack extends Stack {
  readonly state: StateTable;

  constructor(scope: Construct, id: string, props: StateStackProps = {}) {
    super(scope, id, { description: "State of the MCP server", ...props });
    this.state = new StateTable(this, "State", { ...props, ...keyFor(this, props) });
    const { table, bucket } = this.state;
    new CfnOutput(this, "TableName", { value: table.tableName });
    if (bucket) new CfnOutput(this, "BucketName", { value: bucket.bucketName });
  }
}

/** What the settings say about state: a table of a StateStack with this id, or the names of one that exists. */
export function stateFor(scope: Construct, id: string, settings: Settings): IStateTable | StateTableNames {
  const { existingTable, existingBucket, removeData, blobs, encryptionKeyArn } = settings;
  if (existingTable === undefined)
    return new StateStack(scope, id, {
      removeData,
      blobs,
      ...(encryptionKeyArn !== undefined && { encryptionKeyArn }),
    }).state;
  return { tableName: existingTable, ...(existingBucket !== undefined && { bucketName: existingBucket }) };
}
