/** Domains for hosts with the libvirt of different years, from what each of them says that it can do. */
import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Scratch } from "#lib/disk/testing/scratch.ts";
import type { VmSpec } from "../adapter.ts";
import { LibvirtError } from "../libvirt/libvirt-error.ts";
import { mapDomain } from "../libvirt/map-domain.ts";
import { readKvmHost } from "./capabilities.ts";
import { domainXml } from "./define-domain.ts";

const VALIDATE = "/usr/bin/virt-xml-validate";
const VERSIONS = ["6.0", "7.0", "8.0", "9.0", "10.0", "11.0"] as const;
type Version = (typeof VERSIONS)[number];
const number = (version: Version): number => Number(version.split(".")[0]) * 1_000_000;

interface Machine {
  readonly arch?: string;
  /** KVM is offered; it answers only where it works. */
  readonly kvm?: boolean;
}

const enumOf = (name: string, ...values: string[]): string =>
  `<enum name='${name}'>${values.map((value) => `<value>${value}</value>`).join("")}</enum>`;

/** A host of that version, as far as it is asked. */
function host(version: Version, { arch = "x86_64", kvm = true }: Machine = {}): Parameters<typeof readKvmHost>[0] {
  // The enlightenments are told since 9.0.
  const hyperv =
    number(version) < 9_000_000
      ? ""
      : `<hyperv supported='yes'>${enumOf("features", "relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer", "reset", "frequencies", "tlbflush", "ipi")}</hyperv>`;
  return {
    name: "kvm-1",
    libVersion: async () => number(version),
    capabilities: async () =>
      `<capabilities><host><cpu><arch>${arch}</arch><model>Cascadelake-Server</model></cpu></host>
        <guest><os_type>hvm</os_type><arch name='${arch}'><domain type='qemu'/>${kvm ? "<domain type='kvm'/>" : ""}</arch></guest></capabilities>`,
    domainCapabilities: async ({ machine, virtType }) => {
      if (virtType === "kvm" && !kvm) throw new LibvirtError(1, 0, "no kvm", []);
      const q35 = machine === "q35";
      return `<domainCapabilities><domain>${virtType}</domain><vcpu max='288'/>
        <os supported='yes'>${enumOf("firmware", ...(q35 ? ["efi"] : []))}
          <loader supported='yes'>${enumOf("type", "rom", "pflash")}${enumOf("secure", "no", ...(q35 ? ["yes"] : []))}</loader></os>
        <devices><disk supported='yes'>${enumOf("bus", "scsi", "virtio", "sata", ...(q35 ? [] : ["ide"]))}</disk></devices>
        <features>${hyperv}</features></domainCapabilities>`;
    },
  };
}

const resource = { kind: "disk" as const, ref: "default/a.qcow2", label: "a" };
const spec: VmSpec = {
  name: "web-01",
  cpus: 4,
  memory: 2 * 1024 ** 3,
  firmware: "uefi",
  secureBoot: false,
  guest: { id: "debian", name: "Debian", version: "12", family: "linux" },
  placement: {},
  disks: [
    { resource, format: "qcow2", bus: "virtio" },
    { resource, format: "raw", bus: "virtio-scsi" },
  ],
  nics: [{ networkRef: "default", model: "virtio", mac: "52:54:00:00:00:01" }],
  description: "made for a test",
};
const places = [
  { path: "/var/lib/libvirt/images/web-01.qcow2", block: false },
  { path: "/dev/vg0/web-01-2", block: true },
];
const windows: VmSpec = {
  ...spec,
  name: "win-01",
  secureBoot: true,
  guest: { id: "windows", name: "Windows", version: null, family: "windows" },
  disks: [{ resource, format: "qcow2", bus: "sata" }],
  nics: [
    { networkRef: "ovs:ovsbr0", model: "e1000e", mac: null },
    { networkRef: "bridge:br0", model: "e1000e", mac: null },
    { networkRef: "macvtap:eno1", model: "e1000e", mac: null },
  ],
};
const tag = "0b6f1a86-5d1e-4b1f-9d53-0d8b5a9d7f11";
const made = async (version: Version, what: VmSpec, machine?: Machine): Promise<string> =>
  domainXml(what, tag, await readKvmHost(host(version, machine)), places);

describe.each(VERSIONS)("a new domain for libvirt %s", (version) => {
  it.each([
    ["uefi", spec],
    ["windows", windows],
  ] as const)("is what that libvirt understands: %s", async (name, what) => {
    const xml = await made(version, what);
    await expect(xml).toMatchFileSnapshot(join(import.meta.dirname, "golden", `libvirt-${version}-${name}.xml`));
  });

  // The schema that is installed here takes what older ones took.
  it.skipIf(!existsSync(VALIDATE))("keeps libvirt's schema", async () => {
    using scratch = new Scratch();
    for (const what of [spec, windows, { ...spec, firmware: "bios" as const }]) {
      const path = scratch.path("domain.xml");
      writeFileSync(path, await made(version, what));
      expect(() => execFileSync(VALIDATE, [path, "domain"], { stdio: "pipe" })).not.toThrow();
    }
  });

  it("comes back as it was asked for", async () => {
    expect(await mapDomain(await made(version, spec), 5, [])).toMatchObject({
      firmware: "uefi",
      secureBoot: false,
      nics: [{ mac: "52:54:00:00:00:01", networkRef: "default" }],
      disks: [{ source: places[0]!.path }, { source: places[1]!.path, captureBlocker: null }],
    });
    expect(await mapDomain(await made(version, windows), 5, [])).toMatchObject({
      firmware: "uefi",
      secureBoot: true,
      nics: [
        { networkRef: "ovs:ovsbr0", networkName: "ovsbr0" },
        { networkRef: "bridge:br0", networkName: "br0" },
        { networkRef: "macvtap:eno1", networkName: "eno1 (macvtap)" },
      ],
    });
  });
});

describe("a host without KVM", () => {
  it("gets the processor that its libvirt can name, and no enlightenments", async () => {
    expect(await made("6.0", spec, { kvm: false })).not.toContain("<cpu");
    expect(await made("7.0", windows, { kvm: false })).toContain("<cpu><topology sockets='1' cores='4' threads='1'/>");
    const xml = await made("9.0", windows, { kvm: false });
    expect(xml).toContain("<cpu mode='maximum'><topology");
    expect(xml).toContain("<clock offset='localtime'>");
    expect(xml).not.toMatch(/hyperv|name='pit'/);
  });
});

describe("a host with another processor", () => {
  it("is told from one without QEMU", async () => {
    await expect(readKvmHost(host("9.0", { arch: "aarch64" }))).rejects.toMatchObject({
      code: "host.no-hypervisor",
      message: expect.stringContaining("aarch64 guests. Supravisor makes and starts guests for x86-64 only"),
    });
  });
});
