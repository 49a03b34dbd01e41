// Ours against the AWS SDK's signer and resolver of endpoints, the ones that the SDK's client uses.
import { createHash, createHmac } from "node:crypto";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SignatureV4 } from "@smithy/signature-v4";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { partition } from "./dynamodb-aws.ts";
import { endpointOf } from "./dynamodb-endpoint.ts";
import { Signer } from "./dynamodb-signature.ts";

/** Of its overloads the one for requests. */
type Sign = (request: object, options: { signingDate: Date }) => Promise<{ headers: Record<string, string> }>;

/** The hash that the AWS SDK's signer asks for. */
class Sha256 {
  readonly #hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", Buffer.from(secret as Uint8Array));
  }
  update(data: string | Uint8Array) {
    this.#hash.update(data);
  }
  async digest() {
    return new Uint8Array(this.#hash.digest());
  }
  reset() {}
}

const word = fc.string({
  unit: fc.constantFrom(..."abcXYZ019-/+=") as fc.Arbitrary<string>,
  minLength: 1,
  maxLength: 40,
});
const segment = fc.string({ unit: fc.constantFrom(..."abZ09-._~%20!'()*") as fc.Arbitrary<string>, minLength: 1 });

test("a signature is the AWS SDK's, in 100 random cases", async () => {
  // One signer for all cases: a key that is kept must not be used for another day, region or secret.
  const signer = new Signer();
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        id: word,
        secret: fc.oneof(word, fc.constant("always the same")),
        token: fc.option(word, { nil: undefined }),
        region: fc.constantFrom("eu-west-1", "us-east-1", "local"),
        at: fc.date({ min: new Date("2001-01-01"), max: new Date("2090-01-01"), noInvalidDate: true }),
        body: fc.string({ unit: "binary", maxLength: 300 }).filter((text) => text.isWellFormed()),
        path: fc.oneof(
          fc.constant("/"),
          fc
            .array(
              segment.filter((text) => text !== "." && text !== ".."),
              { minLength: 1, maxLength: 3 },
            )
            .map((parts) => `/${parts.join("/")}`),
        ),
        port: fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined }),
      }),
      async ({ id, secret, token, region, at, body, path, port }) => {
        const host = `dynamodb.example${port === undefined ? "" : `:${port}`}`;
        const credentials = { accessKeyId: id, secretAccessKey: secret, sessionToken: token };
        const target = "DynamoDB_20120810.GetItem";
        const reference = new SignatureV4({
          credentials: credentials as never,
          region,
          service: "dynamodb",
          sha256: Sha256 as never,
          applyChecksum: false,
        });
        const sign = reference.sign.bind(reference) as unknown as Sign;
        const theirs = await sign(
          {
            method: "POST",
            protocol: "http:",
            hostname: "dynamodb.example",
            path,
            query: {},
            headers: { "content-type": "application/x-amz-json-1.0", host, "x-amz-target": target },
            body,
          },
          { signingDate: at },
        );
        const ours = signer.sign({ host, path, target, body, region }, credentials, at.getTime());
        expect(ours).toEqual(theirs.headers);
      },
    ),
    { numRuns: 100 },
  );
});

const REGIONS = [
  "us-east-1",
  "eu-west-1",
  "ap-southeast-2",
  "us-gov-west-1",
  "us-gov-east-1",
  "cn-north-1",
  "us-iso-east-1",
  "local",
  "mars-west-1",
];
const SWITCHES = [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
] as const;
const MODES = ["disabled", "preferred", "required"] as const;

describe("the endpoint is the AWS SDK's", () => {
  it.each(REGIONS)("%s", async (region) => {
    for (const [fips, dualStack] of SWITCHES)
      for (const accountIdMode of MODES)
        for (const accountId of [undefined, "123456789012", "no host/label"]) {
          const client = new DynamoDBClient({
            region,
            useFipsEndpoint: fips,
            useDualstackEndpoint: dualStack,
            accountIdEndpointMode: accountIdMode,
          });
          const theirs = await resolved(client, { region, fips, dualStack, accountIdMode, accountId });
          let ours: string;
          try {
            ours = endpointOf({ region, partition: partition(region), fips, dualStack, accountIdMode, accountId }).url;
          } catch {
            ours = "refused";
          }
          expect([fips, dualStack, accountIdMode, accountId, ours]).toEqual([
            fips,
            dualStack,
            accountIdMode,
            accountId,
            theirs,
          ]);
        }
  });
});

async function resolved(
  client: DynamoDBClient,
  asked: { region: string; fips: boolean; dualStack: boolean; accountIdMode: string; accountId: string | undefined },
): Promise<string> {
  const parameters = {
    Region: asked.region,
    UseFIPS: asked.fips,
    UseDualStack: asked.dualStack,
    AccountIdEndpointMode: asked.accountIdMode,
    ...(asked.accountId !== undefined && { AccountId: asked.accountId }),
  };
  try {
    const { url } = client.config.endpointProvider(parameters as never, {});
    return url.href.replace(/\/$/, "");
  } catch {
    return "refused";
  } finally {
    client.destroy();
  }
}
