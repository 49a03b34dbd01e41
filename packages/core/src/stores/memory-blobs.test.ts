import { describeBlobStore } from "../testing/blob-contract.ts";
import { MemoryBlobStore } from "./memory-blobs.ts";

describeBlobStore("MemoryBlobStore", async () => {
  const blobs = new MemoryBlobStore();
  return { blobs, other: blobs, close: async () => {} };
});
