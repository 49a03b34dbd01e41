// The one error of this package: a single line a person can act on. It knows paths and error codes, nothing about how the engine works.

/** Why the embedded engine cannot be used: what happened, to which path, and what to do. Always one line. */
export class LocalEngineError extends Error {
  override readonly name = "LocalEngineError";

  constructor(message: string, options?: { cause?: unknown }) {
    super(message.replace(/\s*\n\s*/g, " "), options);
  }
}

const ELSEWHERE = "or choose another data directory (STATEFUL_MCP_DATA_DIR)";

/** Turns what the file system or LevelDB said about `path` into a LocalEngineError. */
export function explainFailure(path: string, error: unknown): LocalEngineError {
  if (error instanceof LocalEngineError) return error;
  const reason = rootCause(error);
  const text = `${reason.code ?? ""} ${reason.message}`;
  const explain = (sentence: string) => new LocalEngineError(sentence, { cause: error });

  // LevelDB reports the kernel's reason only as words.
  if (/ENOSPC|EDQUOT|No space left|quota exceeded/i.test(text)) {
    return explain(`There is no space left for the data in ${path}: free some disk space, ${ELSEWHERE}.`);
  }
  if (/EROFS|Read-only file system/i.test(text)) {
    return explain(`${path} is on a read-only file system: make it writable, ${ELSEWHERE}.`);
  }
  if (/EACCES|EPERM|Permission denied|not permitted/i.test(text)) {
    return explain(`Permission denied on ${path}: give this user read and write access to it, ${ELSEWHERE}.`);
  }
  if (/ENOTDIR|EEXIST|Not a directory/i.test(text)) {
    return explain(`${path} is not a directory: move that file away, ${ELSEWHERE}.`);
  }
  if (/LEVEL_CORRUPTION|Corruption/.test(text)) return damaged(path, reason.message, error);
  return explain(`The data in ${path} cannot be opened (${reason.message}): correct that, ${ELSEWHERE}.`);
}

/** The answer to damaged data. Nothing is repaired or deleted: only its owner can decide that. */
export function damaged(path: string, detail: string, cause?: unknown): LocalEngineError {
  return new LocalEngineError(
    `The data in ${path} is damaged (${detail}). Nothing was changed: restore it from a backup, move it away to start empty, ${ELSEWHERE}.`,
    { cause },
  );
}

function rootCause(error: unknown): { code?: string; message: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  if (error.cause instanceof Error) return rootCause(error.cause);
  return "code" in error && typeof error.code === "string"
    ? { code: error.code, message: error.message }
    : { message: error.message };
}
