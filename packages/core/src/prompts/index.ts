// The prompts of the ready server, in the order clients see them.
import type { Prompt } from "../prompt.ts";
import { recall, saveDecisions, summariseSession } from "./memory.ts";

export const builtinPrompts = (): Prompt[] => [recall, saveDecisions, summariseSession];
