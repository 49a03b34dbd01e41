// A server that asks AWS, with the credentials it runs under: these need the action s3:ListAllMyBuckets.
import { paginateListBuckets, S3Client, S3ServiceException } from "@aws-sdk/client-s3";
import { AppError, createApp, defineTool } from "@stateful-mcp/core";
import * as z from "zod";

let client: S3Client | undefined;

/** Made at the first call, so that listing tools needs no region. Path style is what S3-compatible services understand. */
const s3 = (): S3Client => {
  client ??= new S3Client({ forcePathStyle: process.env.AWS_ENDPOINT_URL_S3 !== undefined });
  return client;
};

const countS3Buckets = defineTool({
  name: "count_s3_buckets",
  title: "Count S3 buckets",
  description: "Counts the S3 buckets of the AWS account that this server runs under.",
  annotations: { readOnlyHint: true, openWorldHint: true },
  session: "none",
  cache: { ttlSeconds: 60, shared: true },
  input: z.object({}),
  output: z.object({ buckets: z.int() }),
  run: async (_, { signal }) => {
    let buckets = 0;
    try {
      for await (const page of paginateListBuckets({ client: s3() }, {}, { abortSignal: signal }))
        buckets += page.Buckets?.length ?? 0;
    } catch (error) {
      throw explained(error);
    }
    return { buckets };
  },
});

function explained(error: unknown): AppError {
  if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 403)
    return new AppError("forbidden", "AWS refused: this server's role needs s3:ListAllMyBuckets.", { cause: error });
  const what = error instanceof Error ? error.name : "unknown error";
  return new AppError("unavailable", `S3 did not answer (${what}): check AWS_REGION and the credentials.`, {
    cause: error,
  });
}

export const app = createApp({ name: "count-s3-buckets", tools: [countS3Buckets] });
