// An app written with one package, for the bundler.
import { createApp, defineTool } from "@stateful-mcp/adapters";

const hello = defineTool({ name: "hello", description: "Greets the caller.", run: () => "Hello!" });

export const app = createApp({ name: "one-package", tools: [hello] });
