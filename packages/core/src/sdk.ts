// What code that runs without the official SDK takes from it when it needs it: imported lazily. Named one by one, so that a bundle leaves
// out the rest: of a package that is imported lazily as a whole it keeps everything.
export {
  acceptedContent,
  inputRequired,
  isJsonContentType,
  MissingRequiredClientCapabilityError,
  ProtocolError,
} from "@modelcontextprotocol/server";
