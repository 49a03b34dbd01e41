// The settings as documentation shows them. Knows no environment.
import type { Setting } from "./kinds.ts";
import { SETTINGS } from "./settings.ts";

/** One setting as documentation shows it, in Markdown. */
export interface ConfigRow {
  readonly variable: string;
  readonly default: string;
  readonly allowed: string;
  readonly description: string;
}

/** One row per variable, in the order and words of the table in docs/reference/settings.md. */
export const describeConfig = (): ConfigRow[] =>
  Object.values<Setting<unknown>>(SETTINGS).map((variable) => ({
    variable: variable.alias === undefined ? `\`${variable.name}\`` : `\`${variable.name}\` (or \`${variable.alias}\`)`,
    default: variable.defaultText ?? `\`${variable.default ?? ""}\``,
    allowed: variable.unit === undefined ? variable.allowed : `${variable.allowed}, in ${variable.unit}`,
    description: variable.description,
  }));
