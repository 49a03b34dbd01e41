// What core needs of a logger. Where the lines go is decided where the process is composed: never to stdout.

/** What a log line holds besides its message. */
export type LogFields = Record<string, unknown>;

/** Where log lines go, by severity. Must not write to stdout, which belongs to the protocol on stdio. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

const nothing = () => {};
/** Writes nothing. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
