// dynalite ships no types; this is all of it that is used here.
declare module "dynalite" {
  import type { Server } from "node:http";

  export default function dynalite(options?: { path?: string; createTableMs?: number; deleteTableMs?: number }): Server;
}
