// What the processes of bar S16 write to their file, as the writers and the check both know it. Knows no store.

/** Writes that each process has under way at once: they share commits. */
export const IN_FLIGHT = 16;
/** How often all writes were counted, by all processes. */
export const COUNTER = { pk: "P", sk: "counter" } as const;
export const WORDS = "Notes of an ordinary length, so that pages of the file fill and split as they do in use. ".repeat(
  3,
);

/** One partition per writer, so that what one has written is listed together. */
export const keyOf = (writer: string, number: number) => ({ pk: writer, sk: `W#${String(number).padStart(8, "0")}` });
