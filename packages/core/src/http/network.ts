// Where a request comes from: the address of its connection, or what a proxy that the operator trusts says of it; and the network that
// callers without an identity are counted by. Knows no route.
import { BlockList, isIP, isIPv4 } from "node:net";
import { makePrincipal } from "../principal.ts";

/** The first groups of an IPv6 address: what a household or a machine is given as a whole. */
const NETWORK_GROUPS = 4;
const GROUPS = 8;

/** An address without its port, zone or brackets, an IPv4 one as such; undefined for a text that is none. */
function plainAddress(text: string | undefined): string | undefined {
  const given = text?.trim() ?? "";
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(given)?.[1] ?? /^([\d.]+):\d+$/.exec(given)?.[1] ?? given;
  const address = (bare.split("%")[0] ?? "").toLowerCase();
  const mapped = /^::ffff:([\d.]+)$/.exec(address)?.[1];
  const plain = mapped !== undefined && isIPv4(mapped) ? mapped : address;
  return isIP(plain) === 0 ? undefined : plain;
}

/** Whether an address is this machine's own. */
export function isLoopbackAddress(address: string): boolean {
  const plain = plainAddress(address);
  return plain !== undefined && (plain === "::1" || /^127\./.test(plain));
}

/** What the callers of an address are counted by, as a hash: a table is no place for addresses. Undefined: it is not known. */
export function networkOf(address: string | undefined): string | undefined {
  const plain = plainAddress(address);
  if (plain === undefined) return undefined;
  return makePrincipal("anonymous", "network", isIPv4(plain) ? plain : prefixOf(plain)).id;
}

function prefixOf(address: string): string {
  const [head = "", tail] = address.split("::").map((part) => part.split(":").filter((group) => group !== ""));
  const [first, last] = [head || [], tail ?? []];
  // The IPv4 address at the end of some stands for two groups.
  const length = [...first, ...last].reduce((sum, group) => sum + (group.includes(".") ? 2 : 1), 0);
  const groups = [...first, ...Array<string>(Math.max(0, GROUPS - length)).fill("0"), ...last];
  return groups
    .slice(0, NETWORK_GROUPS)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":");
}

/** Tells the address that a request came from, by that of its connection and by its `X-Forwarded-For`. */
export type FindAddress = (connection: string | undefined, forwarded: string | null | undefined) => string | undefined;

/**
 * Believes `X-Forwarded-For` only of proxies that are named, each of which adds at the end whom it has spoken to: what stands before the
 * first address that is none of them may be made up.
 */
export function addressBehind(proxies: readonly string[]): FindAddress {
  if (proxies.length === 0) return (connection) => connection;
  const trusted = new BlockList();
  for (const proxy of proxies) {
    const [address = "", bits] = proxy.split("/");
    const family = isIPv4(address) ? "ipv4" : "ipv6";
    if (bits === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(bits), family);
  }
  const isTrusted = (address: string) => trusted.check(address, isIPv4(address) ? "ipv4" : "ipv6");
  return (connection, forwarded) => {
    let found = plainAddress(connection);
    const said = forwarded?.split(",").reverse() ?? [];
    for (const one of said) {
      const address = found !== undefined && isTrusted(found) ? plainAddress(one) : undefined;
      if (address === undefined) break;
      found = address;
    }
    return found ?? connection;
  };
}
