import { describe, expect, it } from "vitest";
import { addressesOf, hostOf, isSpokenTo, isUnknown } from "./lease-host.ts";
import { ref } from "./ref.ts";
import { objectXml, scriptedClient } from "./testing-client.ts";

const nic = (key: string, address: string): string =>
  `<HostVirtualNic><key>${key}</key><spec><ip><ipAddress>${address}</ipAddress></ip></spec></HostVirtualNic>`;
const candidate = (key: string, address: string): string =>
  nic(key, address).replaceAll("HostVirtualNic", "candidateVnic");

describe("the host that a lease names", () => {
  it("is an address without the brackets of URLs, or a name", async () => {
    expect(hostOf(new URL("https://[fd00::1]/nfc/1"))).toBe("fd00::1");
    expect(hostOf(new URL("https://esxi-1.lan:444/nfc/1"))).toBe("esxi-1.lan");
    expect(isSpokenTo(new URL("https://[fd00::1]/nfc/1"), { host: "fd00::1", port: 443 })).toBe(true);
    expect(isSpokenTo(new URL("https://esxi-1.lan/nfc/1"), { host: "esxi-1.lan", port: 444 })).toBe(false);
    // Addresses need nobody who knows them.
    expect(await isUnknown("fd00::1")).toBe(false);
    expect(await isUnknown("esxi-1.invalid")).toBe(true);
  });

  it("is looked for at its address for management first, then at its others", async () => {
    const { client } = scriptedClient(() => [
      objectXml("HostSystem", "host-1", {
        name: "<val>ESXi-1.lan</val>",
        "config.network.vnic": `<val>${nic("vmk0", "10.1.0.1")}${nic("vmk1", "10.2.0.1")}${nic("vmk2", "not an address")}</val>`,
        "config.virtualNicManagerInfo.netConfig": `<val><VirtualNicManagerNetConfig><nicType>vmotion</nicType>${candidate("v.vmk0", "10.1.0.1")}<selectedVnic>v.vmk0</selectedVnic></VirtualNicManagerNetConfig><VirtualNicManagerNetConfig><nicType>management</nicType>${candidate("m.vmk0", "10.1.0.1")}${candidate("m.vmk1", "10.2.0.1")}<selectedVnic>m.vmk1</selectedVnic></VirtualNicManagerNetConfig></val>`,
      }),
    ]);
    expect(await addressesOf(client, "esxi-1.lan", ref("VirtualMachine", "vm-1"))).toEqual(["10.2.0.1", "10.1.0.1"]);
  });
});
