// The contracts as suites, for people who write another backend. Needs Vitest and fast-check in the importing project.
export { type BlobHarness, describeBlobStore } from "./contracts/blob-contract.ts";
export { describeStateStore, type MovableClock, movableClock, type StoreHarness } from "./contracts/store-contract.ts";
