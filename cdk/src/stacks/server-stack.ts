// What the stacks of both servers have in common: where state is, who may call, and who hears of alarms.
import { CfnOutput, type Stack, type StackProps } from "aws-cdk-lib";
import { Certificate, type ICertificate } from "aws-cdk-lib/aws-certificatemanager";
import { HostedZone, type IHostedZone } from "aws-cdk-lib/aws-route53";
import { type ITopic, Topic } from "aws-cdk-lib/aws-sns";
import { EmailSubscription } from "aws-cdk-lib/aws-sns-subscriptions";
import type { Access, AccessProps } from "../access.ts";
import type { EncryptionProps, StackEncryptionProps } from "../encryption.ts";
import type { NamedItemTable } from "../item-tables.ts";
import { type MonitoredServer, ServerMonitoring } from "../monitoring.ts";
import type { NetworkIdsProps } from "../network.ts";
import { type IStateTable, StateTable, type StateTableNames } from "../state-table.ts";

export interface ServerStackProps extends StackProps, AccessProps, StackEncryptionProps, NetworkIdsProps {
  /** Where state is kept: what a StateStack made, or the names of a table (and a bucket) that exist. */
  readonly state: IStateTable | StateTableNames;
  /**
   * Tables of yours that the item tools reach, in the stack's account and region.
   * @default none
   */
  readonly itemTables?: readonly NamedItemTable[];
  /**
   * Where alarms are sent. AWS asks the address for its consent first.
   * @default nowhere: alarms only show in the console
   */
  readonly alarmEmail?: string;
  /**
   * Certificate for HTTPS, in the stack's region.
   * @default API Gateway's own on Lambda; on Fargate HTTP, with a warning
   */
  readonly certificateArn?: string;
  /**
   * Id of the zone of Route 53 in which the record of `domainName` is made.
   * @default the record is yours to make; the output `DnsTarget` says where it has to point
   */
  readonly hostedZoneId?: string;
}

export const stateOf = (stack: Stack, { state }: ServerStackProps, { encryptionKey }: EncryptionProps): IStateTable =>
  "tableName" in state
    ? StateTable.fromNames(stack, "State", { ...(encryptionKey && { encryptionKey }), ...state })
    : state;

export const certificateOf = (stack: Stack, { certificateArn }: ServerStackProps): ICertificate | undefined =>
  certificateArn === undefined ? undefined : Certificate.fromCertificateArn(stack, "Certificate", certificateArn);

export const hostedZoneOf = (stack: Stack, { hostedZoneId }: ServerStackProps): { hostedZone?: IHostedZone } =>
  hostedZoneId === undefined ? {} : { hostedZone: HostedZone.fromHostedZoneId(stack, "HostedZone", hostedZoneId) };

/** The outputs and the monitoring that every server gets. */
export function finish(
  stack: Stack,
  server: MonitoredServer & { readonly url: string; readonly dnsTarget?: string; readonly access: Access },
  state: IStateTable,
  { alarmEmail, hostedZoneId }: ServerStackProps,
): void {
  const alarmTopic = alarmEmail === undefined ? undefined : topicFor(stack, alarmEmail);
  const { dashboard } = new ServerMonitoring(stack, "Monitoring", { server, state, ...(alarmTopic && { alarmTopic }) });
  const output = (name: string, description: string, value: string) =>
    new CfnOutput(stack, name, { description, value });
  output("Url", "Where MCP clients connect", server.url);
  output("DashboardName", "In CloudWatch", dashboard.dashboardName);
  output("LogGroupName", "The server's log", server.logGroup.logGroupName);
  if (server.dnsTarget !== undefined && hostedZoneId === undefined)
    output("DnsTarget", "What a DNS record of your own points to", server.dnsTarget);
  const { tokens } = server.access;
  if (!tokens) return;
  const where = `--region ${stack.region} --secret-id ${tokens.secretArn}`;
  output(
    "TokenCommand",
    "Prints the bearer token",
    `aws secretsmanager get-secret-value ${where} --query SecretString --output text`,
  );
}

function topicFor(stack: Stack, email: string): ITopic {
  const topic = new Topic(stack, "Alarms", { enforceSSL: true });
  topic.addSubscription(new EmailSubscription(email));
  return topic;
}
