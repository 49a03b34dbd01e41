// The table (and, on request, the bucket) that holds all state, and the exact rights a server needs on them.
// Knows nothing of servers.
import { IAM_GRANTS, type IamFeature, TABLE_SHAPE } from "@stateful-mcp/core/iam";
import { CrossStackReferences, Duration, ReferenceStrength, RemovalPolicy, Stack } from "aws-cdk-lib";
import {
  AttributeType,
  Billing,
  type CfnGlobalTable,
  type ITableV2,
  TableEncryptionV2,
  TableV2,
} from "aws-cdk-lib/aws-dynamodb";
import { Grant, type IGrantable } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import { BlockPublicAccess, Bucket, BucketEncryption, type IBucket } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { acknowledge, requireWhole } from "./checks.ts";
import { type EncryptionProps, grantThrough } from "./encryption.ts";
import { spelled } from "./spelled.ts";

/** Where a server keeps its state. */
export interface IStateTable {
  readonly table: ITableV2;
  /** For values too large for the table. Undefined: such values are refused. */
  readonly bucket?: IBucket;
  /** What a server's process needs in its environment to find the state. */
  readonly environment: Readonly<Record<string, string>>;
  /** Allows exactly the actions that serving uses. */
  grantServe(grantee: IGrantable): void;
}

/** What a `StateTable` makes, and what becomes of it. */
export interface StateTableProps extends EncryptionProps {
  /**
   * Also makes a bucket for values too large for the table.
   * @default false
   */
  readonly blobs?: boolean;
  /**
   * How long an object stays in the bucket, in days, at least 1. Must outlast the longest session
   * (STATEFUL_MCP_SESSION_MAX_SECONDS, 90 days unless set): nothing refers to an object after that.
   * @default 97
   */
  readonly blobLifetimeDays?: number;
  /**
   * Lets the table and the bucket be deleted together with the stack, with everything in them.
   * @default false: both are protected against deletion and stay behind.
   */
  readonly removeData?: boolean;
}

/** A table, and perhaps a bucket, that exist. */
export interface StateTableNames {
  /** The table's name, in the stack's account and region. */
  readonly tableName: string;
  /** @default no bucket: values too large for the table are refused */
  readonly bucketName?: string;
  /**
   * The KMS key that they are encrypted with, so that a server may use it.
   * @default keys of AWS
   */
  readonly encryptionKey?: IKey;
}

const DEFAULT_BLOB_LIFETIME_DAYS = 97;

/** The table of all state, on demand, encrypted, with recovery to any second of the last 35 days. */
export class StateTable extends Construct implements IStateTable {
  /** A table that exists, for example one that an earlier stack left behind. It needs the keys `pk` and `sk` and TTL on `expiresAt`. */
  static fromNames(scope: Construct, id: string, names: StateTableNames): IStateTable {
    const within = new Construct(scope, id);
    const table = TableV2.fromTableName(within, "Table", names.tableName);
    const { bucketName, encryptionKey } = names;
    const bucket = bucketName === undefined ? undefined : Bucket.fromBucketName(within, "Bucket", bucketName);
    return toStateTable(table, bucket, encryptionKey);
  }

  readonly table: TableV2;
  readonly bucket?: Bucket;
  readonly environment: Readonly<Record<string, string>>;
  readonly #state: IStateTable;

  constructor(scope: Construct, id: string, props: StateTableProps = {}) {
    super(scope, id);
    const { encryptionKey, removeData = false, blobLifetimeDays = DEFAULT_BLOB_LIFETIME_DAYS } = props;
    requireWhole("blobLifetimeDays", blobLifetimeDays, 1, 36_500);
    const removalPolicy = removeData ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN;
    this.table = new TableV2(this, "Table", {
      partitionKey: { name: TABLE_SHAPE.partitionKey, type: AttributeType.STRING },
      sortKey: { name: TABLE_SHAPE.sortKey, type: AttributeType.STRING },
      timeToLiveAttribute: TABLE_SHAPE.ttl,
      billing: Billing.onDemand(),
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      encryption: TableEncryptionV2.awsManagedKey(),
      deletionProtection: !removeData,
      removalPolicy,
    });
    // TableV2 takes a key only in a stack that names its region, which ours need not.
    if (encryptionKey) {
      const resource = this.table.node.defaultChild as CfnGlobalTable;
      resource.addPropertyOverride("Replicas.0.SSESpecification.KMSMasterKeyId", encryptionKey.keyArn);
    }
    if (props.blobs) {
      this.bucket = new Bucket(this, "LargeValues", {
        blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
        ...(encryptionKey
          ? { encryption: BucketEncryption.KMS, encryptionKey, bucketKeyEnabled: true }
          : { encryption: BucketEncryption.S3_MANAGED }),
        enforceSSL: true,
        lifecycleRules: [{ id: "NothingRefersToOlderObjects", expiration: Duration.days(blobLifetimeDays) }],
        removalPolicy,
        autoDeleteObjects: removeData,
      });
      // Stacks that use the bucket read where it is from this stack's outputs. An export could not be taken back while they import it, and
      // so the bucket could not be given up before them, while this stack is always deployed first.
      CrossStackReferences.of(this.bucket).produce(ReferenceStrength.WEAK);
      acknowledge(this.bucket, {
        S1: "Only the server's role reaches this bucket, and the server logs every call that makes it do so.",
      });
    }
    this.#state = toStateTable(this.table, this.bucket, encryptionKey);
    this.environment = this.#state.environment;
  }

  grantServe(grantee: IGrantable): void {
    this.#state.grantServe(grantee);
  }
}

function toStateTable(table: ITableV2, bucket: IBucket | undefined, key: IKey | undefined): IStateTable {
  const environment = {
    MCP_STATE_BACKEND: "dynamodb",
    MCP_STATE_TABLE: table.tableName,
    ...(bucket && { STATEFUL_MCP_BLOB_BUCKET: bucket.bucketName }),
  };
  const grant = (grantee: IGrantable, feature: IamFeature, arns: Readonly<Record<string, string>>) => {
    for (const { actions, on } of IAM_GRANTS[feature]) {
      Grant.addToPrincipal({ grantee, actions: [...actions], resourceArns: [arns[on]!] });
    }
  };
  return {
    table,
    ...(bucket && { bucket }),
    environment,
    grantServe: (grantee) => {
      grant(grantee, "state", { table: table.tableArn });
      if (key) grantThrough(key, grantee, bucket ? ["dynamodb", "s3"] : ["dynamodb"]);
      if (!bucket) return;
      grant(grantee, "blobs", { bucket: bucket.bucketArn, objects: bucket.arnForObjects("*") });
      acknowledgeObjects(grantee, bucket);
    },
  };
}

/** The one wildcard that there is: all objects of the bucket. cdk-nag wants it named the way it spells resources. */
function acknowledgeObjects({ grantPrincipal }: IGrantable, bucket: IBucket): void {
  if (!Construct.isConstruct(grantPrincipal)) return;
  // How one stack refers to another's bucket is known only once all stacks are complete, which is when validations run.
  const validate = () => {
    const arn = spelled(Stack.of(grantPrincipal).resolve(bucket.bucketArn));
    acknowledge(grantPrincipal, { [`IAM5[Resource::${arn}/*]`]: "All objects of that one bucket." });
    return [];
  };
  grantPrincipal.node.addValidation({ validate });
}
