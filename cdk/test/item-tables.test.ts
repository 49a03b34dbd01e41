// What a server may do with a user's own tables, as a template says it.
import { App, Stack } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { AttributeType, TableV2 } from "aws-cdk-lib/aws-dynamodb";
import { Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { expect, it } from "vitest";
import { grantItemTables, itemTablesEnvironment } from "../src/item-tables.ts";

const READS = [
  "dynamodb:BatchGetItem",
  "dynamodb:DescribeTable",
  "dynamodb:GetItem",
  "dynamodb:Query",
  "dynamodb:Scan",
];
const WRITES = ["dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"];

it("allows reads of every table, writes of the writable ones, and names each table", () => {
  const stack = new Stack(new App(), "Tables");
  const table = (id: string) => new TableV2(stack, id, { partitionKey: { name: "id", type: AttributeType.STRING } });
  const role = new Role(stack, "Server", { assumedBy: new ServicePrincipal("lambda.amazonaws.com") });
  const tables = [{ table: table("Orders"), write: true }, { table: table("Archive") }];
  grantItemTables(role, tables);
  const [policy] = Object.values(Template.fromStack(stack).findResources("AWS::IAM::Policy"));
  const statements: { Action: string[]; Resource: unknown[] }[] = policy?.Properties.PolicyDocument.Statement;
  const actionsOn = (id: string) =>
    statements.filter(({ Resource }) => JSON.stringify(Resource).includes(id)).flatMap(({ Action }) => Action);
  expect(actionsOn("Orders").sort()).toEqual([...READS, ...WRITES].sort());
  expect(actionsOn("Archive").sort()).toEqual(READS);
  expect(JSON.stringify(statements)).not.toContain('"Resource":"*"');
  const environment = stack.resolve(itemTablesEnvironment(tables));
  expect(JSON.stringify(environment.DYNAMODB_TABLE_NAME)).toMatch(/Orders.*Archive/);
  expect(JSON.stringify(environment.STATEFUL_MCP_ITEM_MODES)).toMatch(/Orders.*:rw/);
});
