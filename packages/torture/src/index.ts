// The instruments, for the bars and for the tests of other packages.
export { type Bar, type BarContext, type BarDefinition, defineBar, loadBars, type Outcome } from "./bars.ts";
export { firstFailure, type Operation, type Verdict } from "./checkers/linearizability.ts";
export { checkNotes, type NotesInput, type NotesOutput } from "./checkers/notes.ts";
export { checkRegister, type RegisterInput, type RegisterOutput } from "./checkers/register.ts";
export { type Engine, type Fault, FaultProxy, type Rule, WRITES } from "./fault-proxy.ts";
export { Fleet, type Member } from "./fleet.ts";
export { History } from "./history.ts";
export { type ProcessOptions, ServerProcess } from "./processes.ts";
export { Random } from "./random.ts";
export { RoundRobin } from "./round-robin.ts";
