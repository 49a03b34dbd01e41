// Our server over HTTP. Arguments: the engine's endpoint and, for many principals, their tokens.

import { oursApp } from "./ours-app.ts";
import { serveFetch } from "./serve.ts";

serveFetch(oursApp(process.argv[2], process.argv[3]).fetch);
