import { describe, expect, it } from "vitest";
import type { VmNic } from "#lib/domain/inventory.ts";
import { LibvirtError } from "../libvirt-error.ts";
import { GuestAddresses } from "./guest-addresses.ts";

const MAC = "52:54:00:00:00:01";
const nic: VmNic = {
  id: MAC,
  mac: MAC,
  model: "virtio",
  modelRaw: "virtio",
  networkRef: "default",
  networkName: "default",
  connected: true,
  addresses: [],
};
const running = { state: "running" as const, nics: [nic], tools: "running" };
const domain = { name: "web", uuid: "u", id: 1 };
type Answer = readonly string[] | Error | "silence";

/** A host that answers so for its leases, the agent and the ARP table. */
function host(lease: Answer, agent: Answer, arp: Answer) {
  const asked: number[] = [];
  let now = 0;
  const addresses = new GuestAddresses(
    {
      interfaceAddresses: async (_domain, source, signal) => {
        asked.push(source);
        const answer = [lease, agent, arp][source] ?? [];
        if (answer instanceof Error) throw answer;
        if (answer === "silence")
          return new Promise((_resolve, reject) =>
            signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true }),
          );
        return [
          { name: "lo", mac: "00:00:00:00:00:00", addresses: ["127.0.0.1"] },
          { name: "eth0", mac: MAC.toUpperCase(), addresses: [...answer] },
        ];
      },
    },
    () => now,
  );
  const read = async (vm: Parameters<GuestAddresses["fill"]>[1] = running, id = 1) =>
    (await addresses.fill({ ...domain, id }, vm)).map((each) => each.addresses);
  return { asked, read, later: (ms: number) => (now += ms) };
}

const refused = new LibvirtError(86, 10, "agent is not connected", []);

describe("addresses of a guest", () => {
  it.each([
    ["its agent", host([], ["10.0.0.5", "fe80::1", "2001:db8::5"], []), ["10.0.0.5", "2001:db8::5"], [1]],
    ["libvirt's leases", host(["10.0.0.6"], refused, []), ["10.0.0.6"], [1, 0]],
    ["the ARP table", host(refused, [], ["10.0.0.7"]), ["10.0.0.7"], [1, 0, 2]],
    ["nobody", host([], [], refused), [], [1, 0, 2]],
  ])("come from %s", async (_whom, { asked, read }, found, sources) => {
    expect(await read()).toEqual([found]);
    expect(asked).toEqual(sources);
  });

  it("are asked for from time to time only, and anew after a start", async () => {
    const { asked, read, later } = host(["10.0.0.6"], [], []);
    const quiet = { ...running, tools: null };
    for (let i = 0; i < 5; i += 1) expect(await read(quiet)).toEqual([["10.0.0.6"]]);
    expect(asked).toEqual([0]);
    await read(quiet, 2);
    expect(asked).toEqual([0, 0]);
    later(3_600_000);
    await read(quiet, 2);
    expect(asked).toEqual([0, 0, 0]);
    expect(await read({ ...quiet, state: "stopped" })).toEqual([[]]);
    expect(asked).toHaveLength(3);
  });

  it("are not waited for where the agent hangs, and it is left alone then", async () => {
    const { asked, read, later } = host(["10.0.0.6"], "silence", []);
    expect(await read()).toEqual([["10.0.0.6"]]);
    later(200_000);
    expect(await read()).toEqual([["10.0.0.6"]]);
    expect(asked).toEqual([1, 0, 0]);
  }, 10_000);
});
