// The contracts as suites, for people who write another backend. Needs Vitest and fast-check in the importing project.
export { type BlobHarness, describeBlobStore } from "./blob-contract.ts";
export { describeStateStore, type MovableClock, movableClock, type StoreHarness } from "./store-contract.ts";
