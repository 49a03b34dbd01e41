// Our server over HTTP. Arguments: where state is and, for many principals, their tokens.

import { oursApp } from "./ours-app.ts";
import { serveFetch } from "./serve.ts";

const app = await oursApp(process.argv[2], process.argv[3]);
serveFetch(app.fetch);
