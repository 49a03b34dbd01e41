// A server whose tool takes its time: each call goes on as a task. Its client may go away and ask later, and a process that is killed
// in the middle is no loss: another one goes on behind the last section that was finished.
import { setTimeout as sleep } from "node:timers/promises";
import { createApp, defineTool } from "@stateful-mcp/core";
import * as z from "zod";

const writeReport = defineTool({
  name: "write_report",
  title: "Write a report",
  description: "Writes a report on a topic, section by section. It may take minutes, and goes on by itself.",
  input: z.object({
    topic: z.string().min(1).max(80).describe("What the report is about."),
    sections: z.int().min(1).max(50).default(5).describe("How many sections, 1 to 50."),
    seconds_per_section: z.number().min(0).max(10).default(1).describe("How long one section takes, 0 to 10 seconds."),
  }),
  output: z.object({ sections: z.array(z.string()) }),
  task: "allowed",
  run: async ({ topic, sections, seconds_per_section }, { step, signal, progress }) => {
    const written: string[] = [];
    while (written.length < sections) {
      const part = written.length + 1;
      // Done once, by whichever process comes to it: a later run is given the text.
      const text = await step(`section ${part}`, async () => {
        await sleep(seconds_per_section * 1000, undefined, { signal });
        return `${topic}, part ${part}`;
      });
      written.push(text);
      progress(part, sections, `Section ${part} of ${sections} is written`);
    }
    return { sections: written };
  },
});

export const app = createApp({ name: "long-report", tools: [writeReport] });
