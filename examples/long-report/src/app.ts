// A server whose tool takes its time: it tells how far it is, stops when its caller gives up, and goes on where it was when it is
// asked again with the same session and topic.
import { setTimeout as sleep } from "node:timers/promises";
import { createApp, defineTool } from "@stateful-mcp/core";
import * as z from "zod";

const writeReport = defineTool({
  name: "write_report",
  title: "Write a report",
  description:
    "Writes a report on a topic, section by section. Called again after an interruption it keeps finished sections.",
  input: z.object({
    topic: z.string().min(1).max(80).describe("What the report is about."),
    sections: z.int().min(1).max(50).default(5).describe("How many sections, 1 to 50."),
    seconds_per_section: z.number().min(0).max(10).default(1).describe("How long one section takes, 0 to 10 seconds."),
  }),
  output: z.object({ sections: z.array(z.string()), resumed_after: z.int() }),
  run: async ({ topic, sections, seconds_per_section }, { session, signal, progress }) => {
    const key = `report ${topic}`;
    const written = z.array(z.string()).parse((await session.values.get(key))?.value ?? []);
    const resumedAfter = Math.min(written.length, sections);
    while (written.length < sections) {
      // Throws as soon as the caller cancels or goes away, so nothing is written after that.
      await sleep(seconds_per_section * 1000, undefined, { signal });
      written.push(`${topic}, part ${written.length + 1}`);
      await session.values.set(key, written);
      progress(written.length, sections, `Section ${written.length} of ${sections} is written`);
    }
    return { sections: written.slice(0, sections), resumed_after: resumedAfter };
  },
});

export const app = createApp({ name: "long-report", tools: [writeReport] });
