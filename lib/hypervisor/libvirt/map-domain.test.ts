import { describe, expect, it } from "vitest";
import { mapDomain } from "./map-domain.ts";

const domain = (devices: string, os = ""): string =>
  `<domain type='kvm'><name>web</name><uuid>u</uuid><os>${os}<type machine='q35'>hvm</type></os><devices>${devices}</devices></domain>`;
const disk = (type: string, source: string): string =>
  `<disk type='${type}' device='disk'><driver name='qemu' type='raw'/>${source}<target dev='vda' bus='virtio'/></disk>`;

describe("a domain's disk", () => {
  it.each([
    ["volume", "<source pool='default' volume='web.qcow2'/>", "default/web.qcow2", null],
    ["block", "<source dev='/dev/vg0/web'/>", "/dev/vg0/web", null],
    ["network", "<source protocol='rbd' name='rbd/web'><host name='mon'/></source>", "rbd:rbd/web", "rbd export"],
    ["network", "<source protocol='iscsi' name='iqn.x/1'/>", "iscsi:iqn.x/1", "qemu-img convert"],
    ["nvme", "<source type='pci'/>", null, "kind “nvme”"],
  ])("of the kind %s is shown with where it lies", async (type, source, shown, blocker) => {
    const [found] = (await mapDomain(domain(disk(type, source)), 5, [])).disks;
    expect(found?.source).toBe(shown);
    if (blocker === null) expect(found?.captureBlocker).toBeNull();
    else expect(found?.captureBlocker).toContain(blocker);
  });
});

describe("a domain's firmware", () => {
  // As libvirt writes it down where the only build can check signatures, and has no keys to check them by.
  it("checks no signatures without enrolled keys", async () => {
    const firmware = (keys: string): string =>
      `<firmware><feature enabled='${keys}' name='enrolled-keys'/><feature enabled='yes' name='secure-boot'/></firmware><loader secure='yes' type='pflash'/>`;
    expect(await mapDomain(domain("", firmware("no")), 5, [])).toMatchObject({ firmware: "uefi", secureBoot: false });
    expect(await mapDomain(domain("", firmware("yes")), 5, [])).toMatchObject({ firmware: "uefi", secureBoot: true });
  });
});

describe("a domain's agent", () => {
  it.each([
    [" state='connected'", "running"],
    [" state='disconnected'", "not running"],
    ["", null],
  ])("is as its channel%s", async (state, tools) => {
    const channel = `<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'${state}/></channel>`;
    expect((await mapDomain(domain(channel), 1, [])).tools).toBe(tools);
  });
});
