import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressRule, ownAddresses, unlistable } from "./address-rule.ts";

const NEVER = [
  ...["127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "224.0.0.1"],
  ...["255.255.255.255", "100.100.100.200", "192.0.0.192", "168.63.129.16"],
  ...["::", "::1", "::127.0.0.1", "::8.8.8.8", "fe80::1", "fe80::1%eth0", "febf::1", "ff02::1", "fd00:ec2::254"],
  // The same in other clothes: mapped, NAT64, 6to4, Teredo (server, then client), ISATAP.
  ...["::ffff:127.0.0.1", "::ffff:7f00:1", "0:0:0:0:0:ffff:a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b::169.254.169.254"],
  ...["64:ff9b:1:7f00:0:100::", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1"],
  ...["2001:0:7f00:1::1", "2001:0:808:808::80ff:fffe", "2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:7f00:1"],
  ...["nonsense", "", "1.2.3", "localhost", "127.0.0.1.", "[::1]"],
];
const PRIVATE = [
  ...["10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "192.0.2.1", "198.18.0.1", "240.0.0.1"],
  ...["fd00::1", "fc00::1", "fec0::1", "2001:db8::1", "100::1", "4000::1", "3fff::1", "2001:20::1"],
  ...["::ffff:10.0.0.1", "64:ff9b::a00:1", "64:ff9b::808:808", "2002:a00:1::", "2002:808:808::", "2001:0:808:808::1"],
];
const PUBLIC = ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "2a00::1"];

describe("addressRule", () => {
  const rule = addressRule([], []);
  it.each(NEVER)("%s is never fetched from", (address) => expect(rule(address)).toBe("never"));
  it.each(PRIVATE)("%s is private", (address) => expect(rule(address)).toBe("private"));
  it.each(PUBLIC)("%s is public", (address) => expect(rule(address)).toBe("public"));

  it("lets into the networks that are listed, and into no other", () => {
    const some = addressRule(["10.1.0.0/16", "192.168.7.7/32", "fd00:1::/64"], []);
    for (const address of ["10.1.2.3", "::ffff:10.1.2.3", "192.168.7.7", "fd00:1::9"])
      expect(some(address)).toBe("listed");
    for (const address of ["10.2.0.1", "192.168.7.8", "fd00:2::9", "64:ff9b::10.1.2.3"])
      expect(some(address)).toBe("private");
    expect(some("8.8.8.8")).toBe("public");
  });

  it("never lets to where nobody goes, whatever is listed", () => {
    const all = addressRule(["0.0.0.0/0", "::/0"], []);
    for (const address of NEVER) expect(all(address), address).toBe("never");
    const usual = addressRule(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "100.64.0.0/10"], []);
    for (const address of NEVER) expect(usual(address), address).toBe("never");
  });

  it("judges what a listed translator leads to as well", () => {
    const nat64 = addressRule(["64:ff9b::/96", "10.0.0.0/8"], []);
    expect(nat64("64:ff9b::8.8.8.8")).toBe("listed");
    expect(nat64("64:ff9b::10.0.0.1")).toBe("listed");
    expect(nat64("64:ff9b::192.168.0.1")).toBe("private");
    expect(nat64("64:ff9b::127.0.0.1")).toBe("never");
  });

  it("takes this server's own addresses for private ones", () => {
    const own = addressRule([], ["93.184.216.34", "2606:4700::99", "fe80::1%eth0"]);
    expect(own("93.184.216.34")).toBe("private");
    expect(own("::ffff:93.184.216.34")).toBe("private");
    expect(own("2606:4700::99")).toBe("private");
    expect(own("93.184.216.35")).toBe("public");
    expect(addressRule(["93.184.216.34/32"], ["93.184.216.34"])("93.184.216.34")).toBe("listed");
    const here = addressRule([]);
    for (const address of ownAddresses()) expect(["private", "never"], address).toContain(here(address));
  });

  it("judges an IPv4 address the same in every form that holds it", () => {
    const strict = addressRule([], []);
    fc.assert(
      fc.property(fc.ipV4(), (v4) => {
        const [a = 0, b = 0, c = 0, d = 0] = v4.split(".").map(Number);
        const hex = (high: number, low: number) => ((high << 8) | low).toString(16);
        expect(strict(`::ffff:${v4}`)).toBe(strict(v4));
        expect(strict(`::ffff:${hex(a, b)}:${hex(c, d)}`)).toBe(strict(v4));
        for (const form of [`64:ff9b::${v4}`, `2002:${hex(a, b)}:${hex(c, d)}::1`])
          expect(strict(form)).toBe(strict(v4) === "never" ? "never" : "private");
      }),
    );
  });
});

it("knows which networks cannot be listed", () => {
  const wrong = ["0.0.0.0/0", "127.0.0.0/8", "127.0.0.1/32", "169.254.169.254/32", "168.0.0.0/5", "224.0.0.0/8"];
  const wrong6 = ["::/0", "::1/128", "fe80::/64", "fc00::/6", "::ffff:10.0.0.0/104", "::10.0.0.0/104", "ff00::/8"];
  expect(unlistable([...wrong, ...wrong6])).toEqual([...wrong, ...wrong6]);
  expect(
    unlistable(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "64:ff9b::/96", "203.0.113.7/32"]),
  ).toEqual([]);
});
