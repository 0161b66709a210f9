/** Addresses that only this machine or its own network can reach: a URL from a person must not lead there unasked. */
import { BlockList, isIPv4, isIPv6 } from "node:net";

const inner = new BlockList();
// RFC 6890 and the IANA special-purpose registries.
for (const [net, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const) {
  inner.addSubnet(net, bits, "ipv4");
}
for (const [net, bits] of [
  ["::", 96],
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
  ["100::", 64],
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
] as const) {
  // Those that carry an IPv4 address inside are refused whole: which way they lead is for the network to say.
  inner.addSubnet(net, bits, "ipv6");
}

/** `address` is a literal without brackets, zone allowed. Anything that is none is taken for private. */
export function isPrivateAddress(address: string): boolean {
  const plain = address.split("%")[0] ?? "";
  if (isIPv4(plain)) return inner.check(plain, "ipv4");
  if (!isIPv6(plain)) return true;
  // The list also checks ::ffff:a.b.c.d against the IPv4 rules.
  return inner.check(plain, "ipv6");
}
