// Who else could change what lies at a path: owners and modes of all that leads to it. Changes nothing, and knows no data.
import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, type Stats } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { LocalEngineError } from "./errors.ts";

/** As many links as Linux follows in one path. */
const LINKS_MAX = 40;

const ELSEWHERE = "or choose another data directory (STATEFUL_MCP_DATA_DIR)";

/**
 * The path without links of a place that exists, when no other user but root can change it or put another in its place. This user's own
 * group counts as this user, because it often is; on Windows the profile's access lists decide.
 *
 * @throws LocalEngineError with what was found and what to do; the file system's own error where nothing is there.
 */
export function ownPlace(path: string): string {
  const place = wayTo(path);
  requireUnchanged(place, lstatSync(place));
  return place;
}

/**
 * The same for the way alone: what stands at its end belongs to this user or root, but may be open to others.
 *
 * @throws LocalEngineError and the file system's error, as `ownPlace`.
 */
export function wayTo(path: string): string {
  if (process.platform === "win32") return realpathSync(path);
  let at = "/";
  let names = namesOf(resolve(path));
  for (let links = 0; names.length > 0; ) {
    const [name = "", ...rest] = names;
    // Only what a link holds has these; the kernel goes up from where it has come to, too.
    const next = name === ".." ? dirname(at) : join(at, name);
    const parent = lstatSync(at);
    requireKnownOwner(at, parent);
    requireUnchanged(at, parent);
    const found = lstatSync(next);
    requireKnownOwner(next, found);
    names = rest;
    if (!found.isSymbolicLink()) {
      at = next;
      continue;
    }
    links += 1;
    if (links > LINKS_MAX)
      throw new LocalEngineError(`${path} leads through too many links: correct them, ${ELSEWHERE}.`);
    const target = readlinkSync(next);
    names = [...namesOf(target), ...rest];
    if (target.startsWith("/")) at = "/";
  }
  return at;
}

/**
 * Makes sure that all in a directory belongs to this user or root: what another user put there while it was open stays that user's.
 *
 * @throws LocalEngineError with what was found and what to do.
 */
export function requireOwnContent(directory: string): void {
  if (process.platform === "win32") return;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    // Another process of this user may remove its files meanwhile.
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) continue;
    if (!isOwn(found)) throw foreign(path, found);
    if (found.isSymbolicLink()) ownPlace(path);
  }
}

/** What is said of a file or directory of another user. */
export const foreign = (path: string, { uid }: Stats): LocalEngineError =>
  new LocalEngineError(
    `${path} belongs to another user (${uid}), who could read and change what is kept there: make it this user's, run as that user, ${ELSEWHERE}.`,
  );

/** True of what this user or root has made. Always on Windows. */
export const isOwn = ({ uid }: Stats): boolean =>
  process.geteuid === undefined || uid === 0 || uid === process.geteuid();

function requireKnownOwner(path: string, found: Stats): void {
  if (!isOwn(found) && found.uid !== uidOfUnknown()) throw foreign(path, found);
}

/** In a directory with the sticky bit, such as /tmp, names are changed by their owners alone. */
function requireUnchanged(path: string, found: Stats): void {
  if (process.platform === "win32" || (found.isDirectory() && (found.mode & 0o1000) !== 0)) return;
  const byGroup = found.gid !== process.getegid?.() && (found.mode & 0o020) !== 0;
  const byAll = (found.mode & 0o002) !== 0;
  if (!byGroup && !byAll) return;
  const who = byAll ? "every user of this machine" : `the group ${found.gid}`;
  const mode = (found.mode & 0o777).toString(8);
  throw new LocalEngineError(
    `${path} can be changed by ${who} (its mode is ${mode}), and with it what is kept there: take that away (chmod ${byAll ? "o" : "g"}-w), ${ELSEWHERE}.`,
  );
}

/**
 * In a sandbox with users of its own (a user namespace), owners that it does not know appear under one number, root of the machine among
 * them: nothing can be told of these, and nothing would start if they were refused.
 */
function uidOfUnknown(): number | undefined {
  try {
    const unknown = Number(readFileSync("/proc/sys/kernel/overflowuid", "utf8"));
    const ranges = readFileSync("/proc/self/uid_map", "utf8").trim().split("\n");
    const isKnown = ranges.some((range) => {
      const [first = 0, , count = 0] = range.trim().split(/\s+/).map(Number);
      return unknown >= first && unknown < first + count;
    });
    return isKnown ? undefined : unknown;
  } catch {
    return undefined;
  }
}

const namesOf = (path: string): string[] => path.split("/").filter((name) => name !== "" && name !== ".");
