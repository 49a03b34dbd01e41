// The data, in a stack of its own, so that servers come and go without it.
import { CfnOutput, Stack, type StackProps } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { StateTable, type StateTableProps } from "../state-table.ts";

export interface StateStackProps extends StackProps, StateTableProps {}

export class StateStack extends Stack {
  readonly state: StateTable;

  constructor(scope: Construct, id: string, props: StateStackProps = {}) {
    super(scope, id, { description: "State of the MCP server", ...props });
    this.state = new StateTable(this, "State", props);
    const { table, bucket } = this.state;
    new CfnOutput(this, "TableName", { value: table.tableName });
    if (bucket) new CfnOutput(this, "BucketName", { value: bucket.bucketName });
  }
}
