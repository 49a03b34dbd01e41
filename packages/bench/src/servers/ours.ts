// Our server over HTTP. Arguments: the engine's endpoint and, for many principals, their tokens.
import { serveFetch } from "./serve.ts";
import { oursApp } from "./ours-app.ts";

serveFetch(oursApp(process.argv[2], process.argv[3]).fetch);
