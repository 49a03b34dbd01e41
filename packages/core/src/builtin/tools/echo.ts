// echo_cached: the smallest tool that shows a cached result.
import * as z from "zod";
import { builtinTool } from "../../define/tool.ts";

export const echoCached = builtinTool({
  name: "echo_cached",
  title: "Echo, cached",
  description:
    "Returns the text in upper case, and whether the answer came from the cache. Shows how results are cached.",
  input: z.object({ text: z.string().max(10_000).describe("What to return.") }),
  output: z.object({ text: z.string() }),
  annotations: { readOnlyHint: true },
  session: "none",
  cache: {},
  run: ({ text }) => ({ text: text.toUpperCase() }),
});
