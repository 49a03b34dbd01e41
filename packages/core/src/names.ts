// What the ready server is called, and what clients call a server in their lists.

/** What an app without a name of its own is called. */
export const READY_SERVER = "stateful-mcp";

/** Under which name a client lists a server: the ready one by what it is to a person. */
export const entryNameOf = (service: string): string => (service === READY_SERVER ? "memory" : service);
