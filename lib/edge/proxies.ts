/** Which peers are our own reverse proxies, and whose request it is that they pass on. */
import { BlockList, isIP, SocketAddress } from "node:net";
import { AppError } from "#lib/errors.ts";

export interface Proxies {
  trusts(address: string): boolean;
  /** SUPRAVISOR_TRUST_PROXY=1: the direct peer is one, whatever its address; nothing behind it is. */
  readonly directPeer: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** SUPRAVISOR_TRUSTED_PROXIES: addresses and networks, apart by commas. Throws `server.bad-proxies`. */
export function proxiesFrom(env: Environment): Proxies {
  const list = new BlockList();
  for (const entry of (env["SUPRAVISOR_TRUSTED_PROXIES"] ?? "").split(/[\s,]+/).filter((text) => text !== "")) {
    const [address = "", prefix] = entry.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    const bits = prefix === undefined ? null : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
    if (isIP(address) === 0 || (bits !== null && !(bits <= (family === "ipv6" ? 128 : 32)))) {
      throw new AppError(
        "invalid",
        "server.bad-proxies",
        `SUPRAVISOR_TRUSTED_PROXIES: “${entry}” is no address or network.`,
        {
          hint: "Give addresses and networks, apart by commas: 10.0.0.5, 192.168.1.0/24, fd00::/8.",
        },
      );
    }
    if (bits === null) list.addAddress(address, family);
    else list.addSubnet(address, bits, family);
  }
  return {
    trusts: (address) => isIP(address) !== 0 && list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4"),
    directPeer: env["SUPRAVISOR_TRUST_PROXY"] === "1",
  };
}

/** An address as the trail and the limits know it: IPv4 that a socket for both shows as ::ffff:192.0.2.1 is IPv4. Null: it is none. */
export function plainAddress(text: string): string | null {
  const bare = text.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.)/i, "");
  const family = isIP(bare);
  if (family === 0) return null;
  return family === 4 ? bare : new SocketAddress({ address: bare, family: "ipv6" }).address;
}

/** One hop as X-Forwarded-For and Forwarded write it: with or without brackets, quotes and port. */
function hop(text: string): string | null {
  const bare = text.trim().replace(/^"(.*)"$/, "$1");
  return plainAddress(/^\[([^\]]+)\](?::\d+)?$/.exec(bare)?.[1] ?? /^([\d.]+):\d+$/.exec(bare)?.[1] ?? bare);
}

function hopsOf(name: "x-forwarded-for" | "forwarded", value: string): (string | null)[] {
  const parts = value.split(",");
  if (name === "x-forwarded-for") return parts.map(hop);
  return parts.map((part) => hop(/(?:^|;)\s*for=("[^"]*"|[^;,\s]*)/i.exec(part)?.[1] ?? ""));
}

export interface Forwarding {
  readonly xForwardedFor: string | undefined;
  readonly forwarded: string | undefined;
}

export function isProxy(proxies: Proxies, peer: string): boolean {
  return proxies.directPeer || proxies.trusts(peer);
}

/**
 * The rightmost address that is not a trusted proxy's: what stands left of it was written by somebody else. A hop
 * that cannot be read ends the walk at the proxy that reported it. When both headers are there and name two different
 * clients, one of them was written by the client itself and the proxy does not touch it: neither is believed.
 */
export function clientAddress(proxies: Proxies, peer: string, headers: Forwarding): string {
  if (!isProxy(proxies, peer)) return peer;
  const walk = (hops: readonly (string | null)[]): string => {
    let client = peer;
    for (const address of hops.toReversed()) {
      if (address === null) return client;
      client = address;
      if (!proxies.trusts(address)) return client;
    }
    return client;
  };
  const { xForwardedFor, forwarded } = headers;
  const told = [
    ...(xForwardedFor === undefined ? [] : [walk(hopsOf("x-forwarded-for", xForwardedFor))]),
    ...(forwarded === undefined ? [] : [walk(hopsOf("forwarded", forwarded))]),
  ];
  return new Set(told).size === 1 ? (told[0] ?? peer) : peer;
}
