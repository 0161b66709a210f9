import { describe, expect, it } from "vitest";
import type { LibvirtClient } from "../client.ts";
import { LibvirtError } from "../libvirt-error.ts";
import { readNetworks } from "./networks.ts";

const refused = async (): Promise<never> => Promise.reject(new LibvirtError(3, 28, "no support", []));
const net = (name: string): string => `net_${name.replaceAll(/\W/g, "_")}_52_54_00_00_00_01`;

interface Host {
  readonly interfaces?: readonly string[];
  readonly devices?: readonly string[];
}

function client({ interfaces, devices }: Host): LibvirtClient {
  const parts = {
    networks: async (active: boolean) => (active ? [{ name: "default", uuid: "" }] : []),
    networkXml: async () => "<network><name>default</name><forward mode='nat'/><bridge name='virbr0'/></network>",
    interfaceXmls: interfaces === undefined ? refused : async () => interfaces,
    nodeDevices: devices === undefined ? refused : async () => devices.map(net),
    nodeDeviceXml: async (device: string) => {
      const name = devices?.find((each) => net(each) === device) ?? "";
      return `<device><path>/sys/devices/${name === "br-card" ? "pci0" : "virtual"}/net/${name}</path><capability type='net'><interface>${name}</interface></capability></device>`;
    },
  };
  return parts as unknown as LibvirtClient;
}

const bridge = (name: string): string => `<interface type='bridge' name='${name}'/>`;
const refs = async (host: Host, seen: Parameters<typeof readNetworks>[1] = []) =>
  (await readNetworks(client(host), seen)).map(({ ref, active }) => (active ? ref : `${ref} inactive`));

describe("networks of a host", () => {
  it("are libvirt's own, then the bridges that its interface driver tells", async () => {
    const interfaces = [bridge("br0"), bridge("virbr0"), "<interface type='ethernet' name='eno1'/>"];
    expect(await refs({ interfaces })).toEqual(["default", "bridge:br0"]);
    expect((await readNetworks(client({ interfaces }), []))[1]).toMatchObject({ type: "bridge", bridge: "br0" });
  });

  it("are without Docker's bridges, on which a guest gets no address", async () => {
    expect(await refs({ interfaces: [bridge("docker0"), bridge("br-0123456789ab"), bridge("br-lan")] })).toEqual([
      "default",
      "bridge:br-lan",
    ]);
  });

  it("are, without that driver, the devices that are called bridges", async () => {
    const devices = ["eno1", "vmbr0", "br0.20", "br-card", "br-lan", "brother", "virbr0", "vnet3", "lo"];
    expect(await refs({ devices })).toEqual(["default", "bridge:br-lan", "bridge:vmbr0"]);
    expect(await refs({})).toEqual(["default"]);
  });

  it("are besides what guests hang on already: Open vSwitch, cards of the host, bridges", async () => {
    const seen = [
      { kind: "ovs" as const, name: "ovsbr0" },
      { kind: "macvtap" as const, name: "eno1" },
      { kind: "bridge" as const, name: "gone0" },
      { kind: "bridge" as const, name: "virbr0" },
    ];
    const all = ["default", "macvtap:eno1", "bridge:gone0", "ovs:ovsbr0"];
    expect(await refs({}, seen)).toEqual(all);
    expect(await refs({ interfaces: [], devices: ["eno1", "ovsbr0"] }, seen)).toEqual(
      all.map((ref) => (ref === "bridge:gone0" ? `${ref} inactive` : ref)),
    );
    // Without udev the list of devices is not what there is.
    expect(await refs({ interfaces: [bridge("br0")], devices: [] }, seen)).toEqual([
      "default",
      "bridge:br0",
      ...all.slice(1),
    ]);
  });
});
