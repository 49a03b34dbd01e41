// What a server may do with a user's own tables, as a template says it.
import { App, Stack } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { AttributeType, TableV2 } from "aws-cdk-lib/aws-dynamodb";
import { Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { expect, it } from "vitest";
import { grantItemTables, itemTablesEnvironment } from "../src/item-tables.ts";
import { synthesize } from "./synthesis.ts";

const READS = [
  "dynamodb:BatchGetItem",
  "dynamodb:DescribeTable",
  "dynamodb:GetItem",
  "dynamodb:Query",
  "dynamodb:Scan",
];
const WRITES = ["dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"];

it.each(["LambdaStack", "FargateStack"] as const)(
  "are named to the server of %s and allowed to it, its worker included, without a finding",
  async (stack) => {
    const made = await synthesize({ itemTables: "orders:rw,archive", tasks: "true" });
    const template = JSON.stringify(made.template(stack).toJSON());
    expect(template).toMatch(/DYNAMODB_TABLE_NAME"(:|,"Value":)"orders,archive"/);
    expect(template).toContain(":table/orders/index/*");
    const roles = Object.values(made.template(stack).findResources("AWS::IAM::Policy")).filter((policy) =>
      JSON.stringify(policy).includes(":table/orders/index/*"),
    );
    expect(roles).toHaveLength(stack === "LambdaStack" ? 2 : 1);
    for (const policy of roles) {
      const { Statement: statements } = policy.Properties.PolicyDocument as {
        Statement: { Action: string[]; Resource: unknown }[];
      };
      const actionsOn = (name: string) =>
        statements
          .filter(({ Resource }) => JSON.stringify(Resource).includes(`:table/${name}"`))
          .flatMap(({ Action }) => Action);
      expect(actionsOn("orders").sort()).toEqual([...READS, ...WRITES].sort());
      expect(actionsOn("archive").sort()).toEqual(READS);
    }
  },
);

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
