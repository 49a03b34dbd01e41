// Baseline: Hono answering a constant, the floor under everything served this way.
import { Hono } from "hono";
import { serveFetch } from "./serve.ts";

const app = new Hono();
app.get("/", (context) => context.text("ok"));
serveFetch(app.fetch);
