// Tells addresses with dot segments from others: a proxy or gateway in front decides by the path as it stands, and resolving them makes
// another one of it. Knows no carrier.

const SEPARATOR = String.raw`[\\/]|%2f|%5c`;
const DOT_SEGMENT = new RegExp(`(?:^|${SEPARATOR})(?:\\.|%2e){1,2}(?:${SEPARATOR}|$)`, "i");
/** Characters that the parser of URLs leaves out, so that they would hide a segment. */
const LEFT_OUT = /[\t\n\r]/g;

/** Whether the path of an address as it was sent, encoded or not, has a segment `.` or `..`. */
export const hasDotSegments = (address: string): boolean =>
  DOT_SEGMENT.test((/^[^?#]*/.exec(address)?.[0] ?? "").replace(LEFT_OUT, ""));

export const DOT_SEGMENTS_REFUSED = "The path has a segment of dots. Send it without.";
