// How caches in this process are bounded. Knows nothing of what is in them.

/**
 * Options of an `LRUCache` of at most so many entries that takes memory as it fills. Its own `max` takes the memory of all of them when it
 * is made, which a host that waits for a start waits for, too.
 */
export const atMost = (entries: number) => ({ maxSize: entries, sizeCalculation: () => 1 });
