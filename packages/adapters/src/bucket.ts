// Opens the bucket for large values: the one place, for processes and for functions. A module of its own, because the client for
// buckets weighs as much as the table's and is loaded only where there is a bucket.
import type { Config } from "@stateful-mcp/core/runtime";
import { S3Blobs } from "@stateful-mcp/core/s3";

type Environment = Readonly<Record<string, string | undefined>>;

/** The bucket that STATEFUL_MCP_BLOB_BUCKET names. */
export function openBucket({ blobBucket: bucket = "", region }: Config, environment: Environment): S3Blobs {
  // The SDK reads this variable too, but would then look for the bucket in the host name, where other services do not have it.
  const endpoint = environment.AWS_ENDPOINT_URL_S3;
  return new S3Blobs({ bucket, ...(region !== undefined && { region }), ...(endpoint && { endpoint }) });
}
