// What stands before a server's front door: the DNS record of its name, and a web ACL. Knows neither APIs nor load balancers.
import { ARecord, type IAliasRecordTarget, type IHostedZone, RecordTarget } from "aws-cdk-lib/aws-route53";
import { CfnWebACLAssociation } from "aws-cdk-lib/aws-wafv2";
import type { Construct } from "constructs";

/** What stands before a server's front door. */
export interface FrontDoorProps {
  /**
   * Zone of Route 53 in which the record of `domainName` is made.
   * @default the record is yours to make
   */
  readonly hostedZone?: IHostedZone;
  /**
   * ARN of a regional web ACL of AWS WAF, in the stack's region, that looks at each request first. Its rules must let pass bodies as large as
   * the server takes, and streams count as one request.
   * @default none
   */
  readonly webAclArn?: string;
}

/** The record of the server's name, where the zone is given. */
export function addRecord(
  scope: Construct,
  { hostedZone, domainName }: FrontDoorProps & { readonly domainName?: string },
  target: () => IAliasRecordTarget,
): void {
  if (!hostedZone) return;
  if (domainName === undefined)
    throw new TypeError("hostedZone is given without domainName; give the name that the record is for");
  // With its last dot the name stands for itself, so that a zone that is known by its id alone will do.
  new ARecord(scope, "Record", {
    zone: hostedZone,
    recordName: `${domainName}.`,
    target: RecordTarget.fromAlias(target()),
  });
}

/** The web ACL, where there is one, before what has this ARN. */
export function addWebAcl(scope: Construct, { webAclArn }: FrontDoorProps, resourceArn: string): void {
  if (webAclArn !== undefined) new CfnWebACLAssociation(scope, "WebAcl", { webAclArn, resourceArn });
}
