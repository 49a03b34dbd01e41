// Encryption with a KMS key of the customer's own, and who may use that key for what. Knows neither tables nor servers.
import { Annotations, Stack } from "aws-cdk-lib";
import { Grant, type IGrantable, PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { type IKey, Key } from "aws-cdk-lib/aws-kms";
import type { Construct } from "constructs";

/** What is encrypted with which key. */
export interface EncryptionProps {
  /**
   * A KMS key of your own, in the stack's region, for everything that this construct stores: a table and its bucket, or a server's secret and
   * its logs. A key that another app has made has to let CloudWatch Logs use it, which a warning says.
   * @default keys of AWS, which cost nothing
   */
  readonly encryptionKey?: IKey;
}

/** The same for a stack, which may be given the key's ARN instead. */
export interface StackEncryptionProps extends EncryptionProps {
  /**
   * ARN of the key, where another app has made it; not beside `encryptionKey`.
   * @default keys of AWS
   */
  readonly encryptionKeyArn?: string;
}

/** The key that a stack's properties mean, as a part of the properties of the constructs in it. */
export function keyFor(stack: Stack, { encryptionKey, encryptionKeyArn }: StackEncryptionProps): EncryptionProps {
  if (encryptionKeyArn === undefined) return encryptionKey ? { encryptionKey } : {};
  if (encryptionKey) throw new TypeError("encryptionKey and encryptionKeyArn are both given; drop one of them");
  return { encryptionKey: Key.fromKeyArn(stack, "EncryptionKey", encryptionKeyArn) };
}

/** By name, because a pattern would allow what is added later. */
const USE = [
  "kms:Decrypt",
  "kms:DescribeKey",
  "kms:Encrypt",
  "kms:GenerateDataKey",
  "kms:GenerateDataKeyWithoutPlaintext",
  "kms:ReEncryptFrom",
  "kms:ReEncryptTo",
];

/** Allows the use of the key through these services alone: for what they store, and for nothing else that it encrypts. */
export function grantThrough(
  key: IKey,
  grantee: IGrantable,
  services: readonly ("dynamodb" | "s3" | "secretsmanager" | "sqs")[],
): void {
  const { region, urlSuffix } = Stack.of(key);
  Grant.addToPrincipal({
    grantee,
    actions: USE,
    resourceArns: [key.keyArn],
    conditions: { StringEquals: { "kms:ViaService": services.map((name) => `${name}.${region}.${urlSuffix}`) } },
  });
}

/** Lets CloudWatch Logs encrypt the log groups of this account and region with the key. */
export function allowLogs(scope: Construct, key: IKey): void {
  const { region, account, partition } = Stack.of(scope);
  const { statementAdded } = key.addToResourcePolicy(
    new PolicyStatement({
      principals: [new ServicePrincipal(`logs.${region}.amazonaws.com`)],
      actions: USE,
      resources: ["*"],
      conditions: {
        ArnLike: { "kms:EncryptionContext:aws:logs:arn": `arn:${partition}:logs:${region}:${account}:log-group:*` },
      },
    }),
  );
  if (statementAdded) return;
  Annotations.of(scope).addWarningV2(
    "@stateful-mcp/cdk:key-policy",
    "The key's policy is not made here: it has to let logs.<region>.amazonaws.com use the key, or the log groups cannot be made (docs/deploy.md shows the statement).",
  );
}
