// An app as somebody else's CDK app would deploy it.
import { createApp } from "@stateful-mcp/core";

export const app = createApp({ name: "greetings-of-my-own" });
