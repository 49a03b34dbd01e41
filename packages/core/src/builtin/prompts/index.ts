// The prompts of the ready server, in the order clients see them.
import type { Prompt } from "../../define/prompt.ts";
import { recall, saveDecisions, summariseSession } from "./memory.ts";

/** The prompts of the ready server: recall, save decisions, summarise a session. */
export const builtinPrompts = (): Prompt[] => [recall, saveDecisions, summariseSession];
