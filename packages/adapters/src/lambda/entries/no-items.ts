// No item tools: what functions have in their bundle that were given no tables of the user's.
import { AppError, type Config, type ItemStore } from "@stateful-mcp/core/runtime";

/** Refuses. @throws AppError `invalid_input`: there is nothing to open. */
export function openItemStore(_config: Config): ItemStore {
  throw new AppError(
    "invalid_input",
    "DYNAMODB_TABLE_NAME is set, but this function was bundled without the item tools. Give the construct its tables with itemTablesEnvironment",
  );
}
