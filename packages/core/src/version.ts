// The version of this release, for programs whose own version is not set. package.json says the same, and a test compares them:
// importing that file would not survive a bundler.
/** What a server calls its version on the wire unless it is told. */
export const VERSION = "0.1.0";
