// The bucket for large values, in the bundle only of functions that have one.
export { openBucket as openBlobs } from "../../bucket.ts";
