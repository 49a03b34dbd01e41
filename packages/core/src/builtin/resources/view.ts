// The page of the MCP App for a caller's memory, as a resource that hosts find by the tool which opens it. Knows nothing of what the
// page shows.
import { defineResource, type Resource } from "../../define/resource.ts";

/** Under this URI hosts read the page that `show_memory` opens. */
export const MEMORY_VIEW_URI = "ui://stateful-mcp/memory.html";

/** Resolves to the page's HTML: one file that loads nothing. */
export type MemoryView = () => Promise<string>;

export const memoryViewResource = (html: MemoryView): Resource =>
  defineResource({
    uri: MEMORY_VIEW_URI,
    name: "memory-view",
    title: "Memory",
    description: "A page on which a person sees and corrects what is kept for them, for hosts that show MCP Apps.",
    // Without more said of it, a host lets the page reach no network.
    mimeType: "text/html;profile=mcp-app",
    read: html,
  });
