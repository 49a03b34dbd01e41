// The shape of the state table, for who makes one: the store, `setup`, the CDK construct, the engine on this machine.

/** Names of the table's string keys and of its TTL attribute, which holds epoch seconds. */
export const TABLE_SHAPE = { partitionKey: "pk", sortKey: "sk", ttl: "expiresAt" } as const;
