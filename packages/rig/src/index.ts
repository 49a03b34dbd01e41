// Instruments for tests: engines, an S3 server, processes, proxies that fail on order, official clients. Knows no code of ours.
export {
  type Connection,
  type Consumed,
  type Engine,
  findDynoxide,
  loopback,
  recordConsumedCapacity,
  startDynalite,
  startDynaliteOnSocket,
  startDynoxide,
} from "./engines.ts";
export { exactValue, isEqual, numberText } from "./exact-values.ts";
export { type Fault, FaultProxy, type OrderedFault, type Rule, type Upstream, WRITES } from "./fault-proxy.ts";
export { Fleet, type FleetOptions, type Member } from "./fleet.ts";
export { IdleCutter } from "./idle-cutter.ts";
export { type CallSettings, ERAS, OfficialClient, ToolError } from "./official-clients.ts";
export { type Sink, type SinkSpan, startSink } from "./otlp-sink.ts";
export { freePort } from "./ports.ts";
export { type ProcessOptions, ServerProcess } from "./processes.ts";
export { parseSeed, Random } from "./random.ts";
export { RoundRobin } from "./round-robin.ts";
export { BUCKET, loopbackBucket, type S3Server, startS3Server } from "./s3-server.ts";
