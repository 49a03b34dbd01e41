// Tables of the user's own that the item tools of a server may reach: what its role is allowed, and what its process is told.
import { IAM_GRANTS, type IamFeature } from "@stateful-mcp/core/iam";
import type { Stack } from "aws-cdk-lib";
import { type ITable, type ITableV2, Table } from "aws-cdk-lib/aws-dynamodb";
import { Grant, type IGrantable } from "aws-cdk-lib/aws-iam";
import { acknowledge } from "./checks.ts";
import { spelled } from "./spelled.ts";

/** A table of the user's own, and how far the item tools may go there. */
export interface ItemTable {
  /** The table. */
  readonly table: ITable | ITableV2;
  /**
   * Whether agents may change items.
   * @default false: they may only read
   */
  readonly write?: boolean;
}

/** A table of the user's own by its name, in the stack's account and region. */
export interface NamedItemTable {
  /** The name of the table. */
  readonly name: string;
  /**
   * Whether agents may change items.
   * @default false: they may only read
   */
  readonly write?: boolean;
}

/** The environment that offers the item tools on these tables, for the `environment` of a server's properties. */
export function itemTablesEnvironment(tables: readonly ItemTable[]): Record<string, string> {
  const writable = tables.filter(({ write }) => write);
  return {
    DYNAMODB_TABLE_NAME: tables.map(({ table }) => table.tableName).join(","),
    ...(writable.length > 0 && {
      STATEFUL_MCP_ITEM_MODES: writable.map(({ table }) => `${table.tableName}:rw`).join(","),
    }),
  };
}

/** Allows exactly what the item tools use on these tables and their indexes. */
export function grantItemTables(grantee: IGrantable, tables: readonly ItemTable[]): void {
  const allow = (feature: IamFeature, { table }: ItemTable) => {
    for (const { actions } of IAM_GRANTS[feature]) {
      Grant.addToPrincipal({
        grantee,
        actions: [...actions],
        resourceArns: [table.tableArn, `${table.tableArn}/index/*`],
      });
    }
  };
  for (const one of tables) {
    allow("items", one);
    if (one.write) allow("itemWrites", one);
  }
}

/** What a stack's server is told of tables that are named, and how it is allowed to use them. */
export function namedItemTables(stack: Stack, named: readonly NamedItemTable[] = []) {
  const tables = named.map(({ name, write = false }) => {
    const table = Table.fromTableName(stack, `ItemTable${name}`, name);
    const arn = spelled(stack.resolve(table.tableArn));
    acknowledge(stack, {
      [`IAM5[Resource::${arn}/index/*]`]: "All indexes of that one table: the item tools query them.",
    });
    return { table, write };
  });
  return {
    environment: tables.length > 0 ? itemTablesEnvironment(tables) : {},
    grant: (server: IGrantable) => grantItemTables(server, tables),
  };
}
