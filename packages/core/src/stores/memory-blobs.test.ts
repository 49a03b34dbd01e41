import { describeBlobStore } from "../testing/contracts/blob-contract.ts";
import { MemoryBlobStore } from "./memory-blobs.ts";

describeBlobStore("MemoryBlobStore", async () => {
  const blobs = new MemoryBlobStore();
  return { blobs, other: blobs, close: async () => {} };
});
