// For people who write another backend or test their own tools. Needs Vitest and fast-check in the importing project.
export { type BlobHarness, describeBlobStore } from "./blob-contract.ts";
export { describeStateStore, type MovableClock, movableClock, type StoreHarness } from "./store-contract.ts";
export { type TestApp, testApp } from "./test-app.ts";
