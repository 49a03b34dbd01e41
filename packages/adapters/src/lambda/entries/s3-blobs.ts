// The bucket for large values, in the bundle only of functions that have one.
import { S3Blobs } from "@stateful-mcp/core/s3";
import type { OpenBlobs } from "../bind.ts";

/** Opens the bucket that STATEFUL_MCP_BLOB_BUCKET names. */
export const openBlobs: OpenBlobs = ({ blobBucket, region }, { AWS_ENDPOINT_URL_S3: endpoint }) =>
  new S3Blobs({
    bucket: blobBucket ?? "",
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
  });
