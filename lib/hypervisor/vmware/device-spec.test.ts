import { describe, expect, it } from "vitest";
import type { VimNetwork } from "./infrastructure.ts";
import { cdDevice, controllersFor, nicDevice } from "./device-spec.ts";

const NETWORK: VimNetwork = {
  ref: { type: "Network", id: "network-1" },
  name: "LAN",
  parent: null,
  accessible: true,
  distributed: null,
  isUplink: false,
};

describe("devices of a new VM", () => {
  it("number SCSI controllers of all kinds together, and other kinds by themselves", () => {
    const { changes, slots } = controllersFor(["pvscsi", "sas", "sata", "pvscsi", "scsi", "nvme"]);
    const numbers = changes.map(({ text }) => [
      /xsi:type="(\w+Controller)"/.exec(text)?.[1],
      /<busNumber>(\d)/.exec(text)?.[1],
    ]);
    expect(numbers).toEqual([
      ["ParaVirtualSCSIController", "0"],
      ["VirtualLsiLogicSASController", "1"],
      ["VirtualAHCIController", "0"],
      ["VirtualLsiLogicController", "2"],
      ["VirtualNVMEController", "0"],
    ]);
    expect(slots[3]).toEqual({ controllerKey: slots[0]?.controllerKey, unit: 1 });
  });

  it("have four SCSI controllers at most, whatever their kinds", () => {
    const three = Array.from({ length: 31 }, () => "pvscsi" as const);
    expect(controllersFor([...three, "sas"]).changes).toHaveLength(4);
    expect(() => controllersFor([...three, "sas", "scsi"])).toThrow("4 SCSI controllers");
  });

  it("have an empty CD drive beside the IDE disks, as long as there is room", () => {
    const place = (buses: Parameters<typeof controllersFor>[0]) =>
      /<controllerKey>(\d+)<\/controllerKey><unitNumber>(\d)/.exec(cdDevice(-1, buses)?.text ?? "")?.slice(1);
    expect(place(["pvscsi"])).toEqual(["200", "0"]);
    expect(place(["ide", "pvscsi", "ide"])).toEqual(["201", "0"]);
    expect(place(["ide", "ide", "ide"])).toEqual(["201", "1"]);
    expect(cdDevice(-1, ["ide", "ide", "ide", "ide"])).toBeNull();
  });

  it("have no fixed address out of the ranges that vSphere gives out itself", () => {
    const nic = (mac: string) => nicDevice(-1, "vmxnet3", NETWORK, null, mac).text;
    expect(nic("00:50:56:3f:00:01")).toContain("manual");
    expect(nic("52:54:00:00:00:01")).toContain("manual");
    for (const mac of ["00:50:56:80:00:01", "00:50:56:40:00:01", "00:0C:29:00:00:01"])
      expect(() => nic(mac)).toThrow("gives such addresses out itself");
  });
});
