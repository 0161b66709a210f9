/** Which addresses a URL from a person may lead to. */
import { BlockList, isIP, isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";

/**
 * `public`: anybody reaches it. `listed`: in a network that an administrator listed. `private`: in one that could be
 * listed, or this server's own. `never`: this server itself, its link, a service that hands out secrets to whoever asks
 * from here.
 */
export type Verdict = "public" | "listed" | "private" | "never";

type Net = readonly [address: string, bits: number];

/** RFC 6890: this host, loopback, link-local, multicast, broadcast. Then metadata services of clouds that stand elsewhere. */
const NEVER: readonly Net[] = [
  ["0.0.0.0", 8],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["224.0.0.0", 4],
  ["255.255.255.255", 32],
  // The unspecified address, loopback, and the deprecated way of writing an IPv4 address.
  ["::", 96],
  ["fe80::", 10],
  ["ff00::", 8],
];
const METADATA: readonly Net[] = [
  // Alibaba, Oracle, Azure; then Amazon, Google, Scaleway.
  ["100.100.100.200", 32],
  ["192.0.0.192", 32],
  ["168.63.129.16", 32],
  ["fd00:ec2::254", 128],
  ["fd20:ce::254", 128],
  ["fd00:42::42", 128],
];
/** IANA special-purpose registries. Of IPv6, all but 2000::/3 as well: nothing else is handed out. */
const SPECIAL: readonly Net[] = [
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["240.0.0.0", 4],
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
];
const GLOBAL: readonly Net[] = [["2000::", 3]];

const familyOf = (address: string): "ipv4" | "ipv6" => (isIPv4(address) ? "ipv4" : "ipv6");

function listOf(nets: readonly Net[]): BlockList {
  const list = new BlockList();
  for (const [address, bits] of nets) list.addSubnet(address, bits, familyOf(address));
  return list;
}

const never = listOf([...NEVER, ...METADATA]);
const special = listOf(SPECIAL);
const global = listOf(GLOBAL);

/** `10.0.0.0/8` */
function parsed(network: string): Net {
  const [address = "", bits = ""] = network.split("/");
  return [address, Number(bits)];
}

/** This server's addresses: behind one of them may be what a firewall keeps from everybody else. */
export function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
}

/** `networks`: what an administrator listed, as `10.0.0.0/8`. */
export function addressRule(networks: readonly string[], own: readonly string[] = ownAddresses()) {
  const listed = listOf(networks.map(parsed));
  const ours = new BlockList();
  for (const address of own)
    if (isIP(withoutZone(address)) !== 0) ours.addAddress(withoutZone(address), familyOf(withoutZone(address)));

  const judge = (address: string): Verdict => {
    const family = familyOf(address);
    if (never.check(address, family)) return "never";
    if (listed.check(address, family)) return "listed";
    const open = family === "ipv4" || global.check(address, family);
    return !open || special.check(address, family) || ours.check(address, family) ? "private" : "public";
  };
  /** A literal without brackets, zone allowed. Anything that is none is never fetched from. */
  return (address: string): Verdict => {
    const plain = withoutZone(address);
    if (isIP(plain) === 0) return "never";
    const { mapped, inner } = isIPv4(plain) ? { mapped: null, inner: [] } : embedded(plain);
    if (mapped !== null) return judge(mapped);
    return [judge(plain), ...inner.map(judge)].reduce((a, b) => (STRICTNESS[a] >= STRICTNESS[b] ? a : b));
  };
}

export type AddressRule = ReturnType<typeof addressRule>;

/** What is carried inside of a listed range must be public or listed itself. */
const STRICTNESS: Record<Verdict, number> = { public: 0, listed: 1, private: 2, never: 3 };

const withoutZone = (address: string): string => address.split("%")[0] ?? "";

/**
 * IPv4 addresses inside of an IPv6 address: `mapped` is the same address in other clothes (RFC 4291), `inner` where a
 * translator or tunnel would take it (RFC 6052, 8215, 3056, 4380).
 */
function embedded(address: string): { mapped: string | null; inner: readonly string[] } {
  const w = words(address);
  const at = (i: number): number => w[i] ?? 0;
  const v4 = (high: number, low: number): string => [high >> 8, high & 255, low >> 8, low & 255].join(".");
  const starts = (...prefix: number[]): boolean => prefix.every((word, i) => at(i) === word);
  if (starts(0, 0, 0, 0, 0, 0xffff)) return { mapped: v4(at(6), at(7)), inner: [] };
  if (starts(0x64, 0xff9b, 0, 0, 0, 0)) return { mapped: null, inner: [v4(at(6), at(7))] };
  if (starts(0x64, 0xff9b, 1)) {
    // Within a /48 the address stands around a byte of zeros; operators also use the last four bytes of a /96.
    const around = v4(at(3), ((at(4) & 255) << 8) | (at(5) >> 8));
    return { mapped: null, inner: [around, v4(at(6), at(7))] };
  }
  if (starts(0x2002)) return { mapped: null, inner: [v4(at(1), at(2))] };
  if (starts(0x2001, 0)) return { mapped: null, inner: [v4(at(2), at(3)), v4(at(6) ^ 0xffff, at(7) ^ 0xffff)] };
  // RFC 5214: ISATAP says it in the lower half.
  if ((at(4) & 0xfdff) === 0 && at(5) === 0x5efe) return { mapped: null, inner: [v4(at(6), at(7))] };
  return { mapped: null, inner: [] };
}

/** The eight words of an IPv6 address. */
function words(address: string): readonly number[] {
  // The URL parser writes every form in hex groups with at most one gap.
  const [left = "", right] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split("::");
  const group = (text: string | undefined): number[] =>
    text === undefined || text === "" ? [] : text.split(":").map((each) => Number.parseInt(each, 16));
  const [head, tail] = [group(left), group(right)];
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
}

/** The networks that cannot be listed: parts of them are never fetched from, or they are another way of writing. */
export function unlistable(networks: readonly string[]): string[] {
  const closed: readonly Net[] = [...NEVER, ["::ffff:0:0", 96]];
  return networks.filter((network) => {
    const [address, bits] = parsed(network);
    const family = familyOf(address);
    const own = listOf([[address, bits]]);
    return closed.some(
      (net) => familyOf(net[0]) === family && (own.check(net[0], family) || listOf([net]).check(address, family)),
    );
  });
}
