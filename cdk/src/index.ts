// The public surface of @stateful-mcp/cdk.
export type { Access, AccessProps } from "./access.ts";
export type { EncryptionProps, StackEncryptionProps } from "./encryption.ts";
export { FargateMcpServer } from "./fargate-server.ts";
export type { FargateMcpServerProps } from "./fargate-server-props.ts";
export type { FrontDoorProps } from "./front-door.ts";
export { grantItemTables, type ItemTable, itemTablesEnvironment, type NamedItemTable } from "./item-tables.ts";
export { LambdaMcpServer } from "./lambda-server.ts";
export type { LambdaMcpServerProps } from "./lambda-server-props.ts";
export { type MonitoredServer, ServerMonitoring, type ServerMonitoringProps, type Signal } from "./monitoring.ts";
export type { NetworkIdsProps, NetworkProps } from "./network.ts";
export { readSettings, type Settings, stackId } from "./settings.ts";
export { FargateStack, type FargateStackProps } from "./stacks/fargate-stack.ts";
export { LambdaStack, type LambdaStackProps } from "./stacks/lambda-stack.ts";
export { StateStack, type StateStackProps, stateFor } from "./stacks/state-stack.ts";
export { type IStateTable, StateTable, type StateTableNames, type StateTableProps } from "./state-table.ts";
export type { TaskWorker } from "./task-worker.ts";
