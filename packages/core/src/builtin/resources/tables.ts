// Each table that the item tools reach, as a resource: what a model must know of it to ask well.

import { defineResource, type Resource } from "../../define/resource.ts";
import type { ItemTables, KeyAttribute, KeySchema } from "../../items/item-store.ts";
import { authorize } from "../../principal.ts";
import { ITEMS_READ } from "../tools/items.ts";

const one = (attributes: readonly KeyAttribute[]) => (attributes.length === 1 ? attributes[0] : attributes);
/** An index may have several attributes for each role; a table has one. */
const keys = ({ partition, sort }: KeySchema) => ({
  partition_key: one(partition),
  ...(sort.length > 0 && { sort_key: one(sort) }),
});

export const tableResources = ({ store, tables }: ItemTables): Resource[] =>
  tables.map(({ name, mode }) =>
    defineResource({
      uri: `dynamodb://tables/${name}`,
      name: `table-${name}`,
      title: `Table ${name}`,
      description: `Keys, indexes and item count of the table ${name}, for query, get_item and the like.`,
      mimeType: "application/json",
      read: async (_, { principal }) => {
        authorize(principal, ITEMS_READ);
        const shape = await store.describe(name, true);
        return JSON.stringify({
          table: name,
          mode,
          ...keys(shape),
          indexes: shape.indexes.map((index) => ({
            index_name: index.name,
            kind: index.kind,
            ...keys(index),
            attributes: index.holds,
          })),
          item_count: shape.itemCount,
          size_bytes: shape.sizeBytes,
          counted: "by DynamoDB, up to six hours ago",
        });
      },
    }),
  );
