// What a test of one's own tools needs: an app in memory and a clock to move. Works with any test runner.
export { MemoryStore } from "../stores/memory-store.ts";
export { type MovableClock, movableClock } from "./contracts/store-harness.ts";
export { type TestApp, testApp } from "./test-app.ts";
