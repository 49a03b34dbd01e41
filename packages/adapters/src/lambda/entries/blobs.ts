// No bucket for large values. A bundler that gives this module s3-blobs.ts instead adds the client for one.
import type { OpenBlobs } from "../bind.ts";

/** Nothing to open. */
export const openBlobs: OpenBlobs | undefined = undefined;
