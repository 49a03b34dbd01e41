// Where a region's DynamoDB is reached: the rules of the AWS SDK's own resolver, which a test compares it with. Knows nothing of
// connections, and reads no configuration.

/** What the AWS SDK knows of a group of regions. */
export interface Partition {
  readonly name: string;
  readonly dnsSuffix: string;
  readonly dualStackDnsSuffix: string;
  readonly supportsFIPS: boolean;
  readonly supportsDualStack: boolean;
}

export type AccountIdMode = "disabled" | "preferred" | "required";

export interface EndpointRequest {
  readonly region: string;
  readonly partition: Partition;
  readonly fips: boolean;
  readonly dualStack: boolean;
  readonly accountIdMode: AccountIdMode;
  /** That of the credentials, where they say one. */
  readonly accountId?: string | undefined;
}

export interface Endpoint {
  readonly url: string;
  readonly signingRegion: string;
}

const LOCAL = { url: "http://localhost:8000", signingRegion: "us-east-1" };
/** Besides the partition `aws`, regions that the resolver's rules name as having endpoints per account. */
const WITH_ACCOUNT_ENDPOINTS = new Set(["us-gov-east-1", "cn-north-1", "cn-northwest-1", "us-gov-west-1"]);

/** @throws Error for a combination that AWS does not serve. */
export function endpointOf(request: EndpointRequest): Endpoint {
  const { region, partition, fips, dualStack, accountIdMode } = request;
  if (region === "local") {
    if (fips || dualStack) throw new Error("The region `local` has neither a FIPS nor a dual-stack endpoint.");
    return LOCAL;
  }
  requireSupported(request);
  const suffix = dualStack ? partition.dualStackDnsSuffix : partition.dnsSuffix;
  const at = (host: string): Endpoint => ({ url: `https://${host}.${region}.${suffix}`, signingRegion: region });
  if (fips) {
    if (accountIdMode === "required") throw new Error("There are no FIPS endpoints per account.");
    // Its plain endpoint is the FIPS one.
    return at(partition.name === "aws-us-gov" && !dualStack ? "dynamodb" : "dynamodb-fips");
  }
  const accountId = accountOf(request);
  return at(accountId === undefined ? "dynamodb" : `${accountId}.ddb`);
}

function requireSupported({ partition, fips, dualStack }: EndpointRequest): void {
  if (fips && !partition.supportsFIPS) throw new Error("FIPS is on, but this partition has no FIPS endpoints.");
  if (dualStack && !partition.supportsDualStack)
    throw new Error("Dual stack is on, but this partition has no dual-stack endpoints.");
}

function accountOf({ region, partition, accountIdMode, accountId }: EndpointRequest): string | undefined {
  if (accountIdMode === "disabled") return undefined;
  const has = partition.name === "aws" || WITH_ACCOUNT_ENDPOINTS.has(region);
  if (accountIdMode === "required" && !has) throw new Error("This region has no endpoints per account.");
  if (accountIdMode === "required" && accountId === undefined)
    throw new Error("AWS_ACCOUNT_ID_ENDPOINT_MODE is required, but the credentials name no account.");
  if (!has || accountId === undefined) return undefined;
  if (!/^(?!-)[a-zA-Z0-9-]{1,63}$/.test(accountId)) throw new Error("The credentials' account id is no host label.");
  return accountId;
}
