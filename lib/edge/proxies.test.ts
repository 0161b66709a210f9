import { describe, expect, it } from "vitest";
import { clientAddress, plainAddress, proxiesFrom } from "./proxies.ts";

const named = proxiesFrom({ SUPRAVISOR_TRUSTED_PROXIES: "10.0.0.5, 192.168.1.0/24 fd00::/8" });
const client = (peer: string, xForwardedFor?: string, forwarded?: string, proxies = named) =>
  clientAddress(proxies, peer, { xForwardedFor, forwarded });

describe("whose request it is", () => {
  it("is the peer's own, whatever it says, unless it is a trusted proxy", () => {
    expect(client("203.0.113.7", "198.51.100.1")).toBe("203.0.113.7");
    expect(client("203.0.113.7", undefined, "for=198.51.100.1")).toBe("203.0.113.7");
    expect(client("10.0.0.6", "198.51.100.1")).toBe("10.0.0.6");
    expect(client("10.0.0.5", "198.51.100.1")).toBe("198.51.100.1");
    expect(client("10.0.0.5")).toBe("10.0.0.5");
  });

  it("is the rightmost address that is no proxy's: what stands left of it anybody may have written", () => {
    expect(client("10.0.0.5", "1.1.1.1, 198.51.100.1, 192.168.1.9")).toBe("198.51.100.1");
    expect(client("10.0.0.5", "192.168.1.8, 192.168.1.9")).toBe("192.168.1.8");
    expect(client("10.0.0.5", "1.1.1.1, unknown, 192.168.1.9")).toBe("192.168.1.9");
    expect(client("10.0.0.5", "1.1.1.1, ")).toBe("10.0.0.5");
    expect(client("10.0.0.5", "<script>")).toBe("10.0.0.5");
  });

  it("is understood with ports, brackets, quotes and as IPv6", () => {
    expect(client("fd00::1", "198.51.100.1:4711")).toBe("198.51.100.1");
    expect(client("fd00::1", "[2001:DB8:0::1]:4711")).toBe("2001:db8::1");
    expect(client("10.0.0.5", "::ffff:198.51.100.1")).toBe("198.51.100.1");
    expect(client("10.0.0.5", undefined, 'by=x;For="[2001:db8::1]:4711";proto=https')).toBe("2001:db8::1");
    expect(client("10.0.0.5", undefined, "for=1.1.1.1, for=198.51.100.1;proto=https, for=192.168.1.9")).toBe(
      "198.51.100.1",
    );
    expect(client("10.0.0.5", undefined, "for=_hidden")).toBe("10.0.0.5");
  });

  it("is nobody's word when the two headers disagree: one of them came from the client", () => {
    expect(client("10.0.0.5", "198.51.100.1", "for=198.51.100.2")).toBe("10.0.0.5");
    expect(client("10.0.0.5", "198.51.100.1", "for=198.51.100.1")).toBe("198.51.100.1");
  });

  it("trusts the direct peer alone when only that was asked for", () => {
    const direct = proxiesFrom({ SUPRAVISOR_TRUST_PROXY: "1" });
    expect(client("203.0.113.7", "1.1.1.1, 198.51.100.1", undefined, direct)).toBe("198.51.100.1");
    expect(client("203.0.113.7", "1.1.1.1", undefined, proxiesFrom({}))).toBe("203.0.113.7");
  });
});

it.each(["10.0.0", "10.0.0.0/33", "fd00::/129", "proxy.example", "10.0.0.0/", "10.0.0.0/x"])(
  "refuses %j as a proxy",
  (text) => {
    expect(() => proxiesFrom({ SUPRAVISOR_TRUSTED_PROXIES: text })).toThrow(
      expect.objectContaining({ code: "server.bad-proxies" }),
    );
  },
);

it("knows an address by one name only", () => {
  expect(["::ffff:192.0.2.1", "192.0.2.1"].map(plainAddress)).toEqual(["192.0.2.1", "192.0.2.1"]);
  expect(["2001:0DB8:0:0::1", "2001:db8::1", "fe80::1%eth0"].map(plainAddress)).toEqual([
    "2001:db8::1",
    "2001:db8::1",
    "fe80::1",
  ]);
  expect(["", "unknown", "1.2.3", "01.2.3.4"].map(plainAddress)).toEqual([null, null, null, null]);
});
