// Where the measured processes find their DynamoDB, and what its tables are called.

/** The baselines' table. */
export const counterTable = "bench_counters";
/** Our table. */
export const stateTable = "bench_state";

/** For the engine on loopback, which takes any credentials. */
export function clientConfig(endpoint: string | undefined) {
  if (endpoint === undefined) throw new Error("give the engine's endpoint as the first argument");
  return { endpoint, region: "us-east-1", credentials: { accessKeyId: "bench", secretAccessKey: "bench" } };
}
