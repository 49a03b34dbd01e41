// Every key of the table is built here and nowhere else. User-supplied parts are percent-encoded, so no delimiter inside
// them reaches a neighbour's key, and a prefix of a name stays a prefix of its encoding.
import { createHash, randomBytes } from "node:crypto";
import type { Key } from "../stores/state-store.ts";

const encode = encodeURIComponent;

export const principalPartition = (principal: string): string => `P#${principal}`;
export const sessionPartition = (principal: string, session: string): string => `P#${principal}#S#${encode(session)}`;

export const SESSION_PREFIX = "S#";
export const sessionKey = (principal: string, session: string): Key => ({
  pk: principalPartition(principal),
  sk: SESSION_PREFIX + encode(session),
});

export const notesPrefix = (generation: string): string => `N#${generation}#`;
/** Under it, one mark for each note that was deleted. */
export const deletedNotesPrefix = (generation: string): string => `D#${generation}#`;
export const valuesPrefix = (generation: string, keyPrefix = ""): string => `V#${generation}#${encode(keyPrefix)}`;
export const valueKey = (principal: string, session: string, generation: string, key: string): Key => ({
  pk: sessionPartition(principal, session),
  sk: valuesPrefix(generation, key),
});
export const valueNameOf = (sk: string): string => decodeURIComponent(sk.slice(sk.indexOf("#", 2) + 1));

/** A log position as sort key text: 12 digits keep 10^12 entries in order. */
export const sequenceText = (sequence: number): string => String(sequence).padStart(12, "0");

export const cachedResultKey = (owner: string, hash: string): Key => ({ pk: `${owner}#C#${hash}`, sk: "R" });
export const cacheLeaseKey = (owner: string, hash: string): Key => ({ pk: `${owner}#C#${hash}`, sk: "L" });
/** Partition owner of results that are the same for everybody. Principal ids are hashes, so none is called this. */
export const SHARED_OWNER = "shared";

/** The principal whose partition this is. */
export const principalOfPartition = (pk: string): string => pk.split("#", 2)[1] ?? "";

/**
 * A new key for a blob of an entry in this partition: by kind, so that housekeeping can tell kinds apart, then by owner and
 * partition, so that what one principal keeps lies together. Never given twice.
 */
export function newBlobKey(kind: string, pk: string): string {
  const owner = pk.startsWith("P#") ? principalOfPartition(pk) : SHARED_OWNER;
  const partition = createHash("sha256").update(pk).digest("base64url").slice(0, 22);
  return `${kind}/${owner}/${partition}/${randomBytes(16).toString("base64url")}`;
}

export const claimKey = (principal: string, hash: string): Key => ({ pk: `P#${principal}#I#${hash}`, sk: "C" });

export const legacySessionKey = (principal: string, id: string): Key => ({
  pk: principalPartition(principal),
  sk: `X#${encode(id)}`,
});
/** A message left for the instance that waits for it. */
export const legacyMessageKey = (principal: string, id: string, address: string): Key => ({
  pk: `P#${principal}#X#${encode(id)}`,
  sk: `A#${encode(address)}`,
});
export const subscriptionPrefix = (principal: string, id: string): { pk: string; prefix: string } => ({
  pk: `P#${principal}#X#${encode(id)}`,
  prefix: "W#",
});
export const subscriptionKey = (principal: string, id: string, hash: string): Key => {
  const { pk, prefix } = subscriptionPrefix(principal, id);
  return { pk, sk: prefix + hash };
};
export const eventsPartition = (principal: string, id: string, stream: string): string =>
  `P#${principal}#X#${encode(id)}#E#${encode(stream)}`;
/** Parts of events that are too large for one entry. */
export const eventPartsPartition = (principal: string, id: string, stream: string): string =>
  `${eventsPartition(principal, id, stream)}#P`;

export const rateWindowKey = (principal: string, bucket: string, window: number): Key => ({
  pk: `P#${principal}#L#${encode(bucket)}`,
  sk: String(window),
});

/** Something a client may use once: what it stands for, and the mark of its use. */
export const requestStateKey = (principal: string, name: string): Key => ({ pk: `P#${principal}#O#${name}`, sk: "S" });
export const requestStateUsedKey = (principal: string, name: string): Key => ({
  pk: `P#${principal}#O#${name}`,
  sk: "U",
});

/** The head of a task: what decides about it. */
export const TASK_PREFIX = "K#";
export const taskKey = (owner: string, id: string): Key => ({ pk: principalPartition(owner), sk: TASK_PREFIX + id });
/** What belongs to a task beside its head: its call, its questions, their answers, its steps, a large outcome. */
export const taskPartition = (owner: string, id: string): string => `P#${owner}#K#${id}`;
export const taskCallKey = (owner: string, id: string): Key => ({ pk: taskPartition(owner, id), sk: "A" });
/** The fence keeps two runs apart that ask in the same round. */
export const taskQuestionsKey = (owner: string, id: string, round: number, fence: number): Key => ({
  pk: taskPartition(owner, id),
  sk: `Q#${round}#${fence}`,
});
export const taskAnswerKey = (owner: string, id: string, question: string): Key => ({
  pk: taskPartition(owner, id),
  sk: `I#${encode(question)}`,
});
export const taskStepKey = (owner: string, id: string, name: string): Key => ({
  pk: taskPartition(owner, id),
  sk: `S#${encode(name)}`,
});
export const taskOutcomeKey = (owner: string, id: string, fence: number): Key => ({
  pk: taskPartition(owner, id),
  sk: `R#${fence}`,
});

/** Open tasks of everybody are listed in so many partitions; those of one owner lie together in one. */
export const OPEN_TASK_SHARDS = 4;
export const openTasksPartition = (shard: number): string => `T#${shard}`;
export const openTaskPrefix = (owner: string): { pk: string; prefix: string } => ({
  pk: openTasksPartition((createHash("sha256").update(owner).digest()[0] ?? 0) % OPEN_TASK_SHARDS),
  prefix: `${owner}#`,
});
export const openTaskKey = (owner: string, id: string): Key => {
  const { pk, prefix } = openTaskPrefix(owner);
  return { pk, sk: prefix + id };
};
/** The inverse of `openTaskKey`. */
export const openTaskOf = ({ sk }: Key): { owner: string; id: string } => {
  const [owner = "", id = ""] = sk.split("#", 2);
  return { owner, id };
};
/** Held by the one process that looks through the open tasks. */
export const TASK_LOOK_KEY: Key = { pk: "T#look", sk: "L" };

/** What processes did in an hour, such as `2026-11-27T14`: one partition, whose prefix an operator may be allowed to read alone. */
export const journalPartition = (hour: string): string => `F#${hour}`;
/** A minute of a process; in order of time. */
export const MINUTE_PREFIX = "M#";
export const minuteKey = (hour: string, minute: string, process: string, part: number): Key => ({
  pk: journalPartition(hour),
  sk: `${MINUTE_PREFIX}${minute}#${process}#${part}`,
});
/** The hours of a day lie together, in a partition that is named after the day. */
export const hourKey = (hour: string, process: string, part: number): Key => ({
  pk: journalPartition(hour.slice(0, 10)),
  sk: `H#${hour}#${process}#${part}`,
});
/** Records of calls that were written at this time, in milliseconds. */
export const CALLS_PREFIX = "C#";
export const callsKey = (hour: string, atMs: number, process: string, part: number): Key => ({
  pk: journalPartition(hour),
  sk: `${CALLS_PREFIX}${atMs}#${process}#${part}`,
});
