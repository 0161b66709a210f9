import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import { Finding } from "#lib/domain/finding.ts";
import type { GuestFacts } from "#lib/domain/guest.ts";
import { guestWarnings } from "#lib/domain/guest-warnings.ts";
import type { Vm } from "#lib/domain/inventory.ts";
import type { TargetChoice } from "#lib/domain/request.ts";
import { TargetChoice as TargetChoiceSchema } from "#lib/domain/request.ts";
import type { PreflightContext, PreflightSource } from "./context.ts";
import { defaultChoice, nameFrom } from "./defaults.ts";
import { RULES, runPreflight } from "./run.ts";

const GiB = 1024 ** 3;
const hostId = "6a9d2a6e-8d4e-4a43-9a3f-0c5b0e9c0001";

const guest = (more: Partial<GuestFacts> = {}): GuestFacts => ({
  partitionTable: "gpt",
  sectorSize: 512,
  partitions: [],
  boots: { bios: true, uefi: true },
  bootEvidence: ["UEFI: EFI/BOOT/BOOTX64.EFI"],
  os: { id: "debian", name: "Debian", version: "12", family: "linux" },
  notes: [],
  ...more,
});
const windows = guest({ os: { id: "windows", name: "Windows", version: null, family: "windows" } });

const capabilities: HostCapabilities = {
  diskFormats: ["qcow2", "raw"],
  buses: ["virtio", "sata", "ide"],
  nics: ["virtio", "e1000e"],
  firmware: [
    {
      firmware: "bios",
      available: true,
      reason: null,
      bootBuses: ["virtio", "sata", "ide"],
      label: "SeaBIOS",
      secureBoot: false,
    },
    {
      firmware: "uefi",
      available: true,
      reason: null,
      bootBuses: ["virtio", "sata"],
      label: "OVMF",
      secureBoot: false,
    },
  ],
  limits: {
    maxCpus: 32,
    maxMemory: 256 * GiB,
    minMemory: 16 * 1024 ** 2,
    maxDiskSize: { raw: 1024 * GiB },
    maxDisks: 2,
    maxNics: 8,
    nameMaxLength: 20,
    namePattern: "^[a-z0-9-]+$",
  },
  acceleration: "kvm",
  canStartVms: true,
  whyNotStart: null,
  captureRunning: false,
  packages: [],
  formatOptions: {},
  placements: [],
  canReadBack: true,
  sparseTransfer: true,
  hasConsoleLog: false,
  simulated: false,
};
const choice: TargetChoice = {
  hostId,
  name: "web",
  cpus: 2,
  memory: 2 * GiB,
  firmware: "uefi",
  secureBoot: false,
  placement: {},
  diskFormat: "qcow2",
  bus: "virtio",
  poolRef: "default",
  nic: { networkRef: "lan", model: "virtio" },
  start: true,
};
const pool = (name: string, free: number, more: object = {}) => ({
  kind: "pool" as const,
  ref: name,
  name,
  type: "dir",
  capacity: 100 * GiB,
  free,
  path: null,
  active: true,
  writable: true,
  whyNotWritable: null,
  ...more,
});
const good: PreflightContext = {
  image: {
    name: "golden",
    hints: { cpus: null, memory: null, firmware: null, bus: null, nic: null },
    disks: [{ virtualSize: 8 * GiB, format: "vmdk", guest: guest(), dataBytes: 2 * GiB, notes: [] }],
    source: null,
    faults: [],
  },
  host: {
    id: hostId,
    name: "kvm-1",
    vendor: "kvm",
    simulated: false,
    online: true,
    staleSince: null,
    facts: {
      kind: "host",
      ref: "h",
      name: "h",
      product: "p",
      version: "1",
      cpus: 16,
      cpuModel: null,
      arch: "x86_64",
      memory: 64 * GiB,
      memoryFree: 32 * GiB,
    },
    capabilities,
    pools: [pool("default", 50 * GiB), pool("big", 90 * GiB)],
    networks: [
      { kind: "network", ref: "lan", name: "lan", type: "bridge", active: true, bridge: null },
      { kind: "network", ref: "down", name: "down", type: "nat", active: false, bridge: null },
    ],
    vmNames: ["taken"],
  },
  choice,
  storedBytes: 2 * GiB,
};
const withChoice = (more: Partial<TargetChoice>): PreflightContext => ({ ...good, choice: { ...choice, ...more } });
const withHost = (more: Partial<PreflightContext["host"]>): PreflightContext => ({
  ...good,
  host: { ...good.host, ...more },
});
const withCaps = (more: Partial<HostCapabilities>): PreflightContext =>
  withHost({ capabilities: { ...capabilities, ...more } });
const withGuest = (facts: GuestFacts, more: Partial<TargetChoice> = {}): PreflightContext => ({
  ...good,
  image: { ...good.image, disks: [{ ...good.image.disks[0]!, guest: facts }] },
  choice: { ...choice, ...more },
});

const gen1 = {
  ...capabilities.firmware[0]!,
  label: "Generation 1",
  limits: { maxCpus: 8, maxMemory: 64 * GiB, maxBootDisk: 2048 * GiB },
};

const vm: Vm = {
  kind: "vm",
  ref: "v",
  name: "web",
  state: "stopped",
  cpus: 2,
  memory: GiB,
  firmware: "uefi",
  secureBoot: false,
  guestOs: null,
  machine: null,
  description: null,
  startedAt: null,
  disks: [
    {
      id: "sda",
      label: "Disk 1",
      bus: "scsi",
      source: null,
      storageRef: null,
      format: "vmdk",
      capacity: 8 * GiB,
      allocated: null,
      readOnly: false,
      captureBlocker: null,
    },
  ],
  nics: [],
  snapshots: [],
  tag: null,
};
/** The disk of a VM that nobody has read. */
const fromVm = (more: Partial<PreflightSource>, machine: Partial<Vm> = {}): PreflightContext => ({
  ...good,
  image: {
    ...good.image,
    disks: [{ virtualSize: 8 * GiB, format: "vmdk", guest: null, dataBytes: null, notes: [] }],
    source: {
      hostName: "esx-1",
      vmName: "web",
      online: true,
      staleSince: null,
      captureRunning: false,
      vm: { ...vm, ...machine },
      diskIds: ["sda"],
      os: null,
      ...more,
    },
  },
  storedBytes: null,
});

/** A case in which the rule speaks, its severity, and what its remedy sets. */
const FIRES: Record<string, readonly [PreflightContext, string, Record<string, unknown> | null]> = {
  "image.files-missing": [
    { ...good, image: { ...good.image, faults: ["a.img is not in the library"] } },
    "blocker",
    null,
  ],
  "image.notes": [
    { ...good, image: { ...good.image, disks: [{ ...good.image.disks[0]!, notes: ["The footer is damaged."] }] } },
    "info",
    null,
  ],
  "target.secure-boot-unavailable": [withChoice({ secureBoot: true }), "blocker", { secureBoot: false }],
  "target.placement-gone": [
    {
      ...withCaps({
        placements: [
          { id: "folder", label: "Folder", options: [{ ref: "vm", label: "vm" }], defaultRef: "vm" },
          { id: "pool", label: "Resource pool", options: [{ ref: "r", label: "Resources" }], defaultRef: "r" },
        ],
      }),
      choice: { ...choice, placement: { folder: "gone", pool: "r" } },
    },
    "blocker",
    { placement: { folder: "vm", pool: "r" } },
  ],
  "source.host-offline": [fromVm({ online: false }), "blocker", null],
  "source.host-stale": [fromVm({ staleSince: "2026-01-01T00:00:00Z" }), "blocker", null],
  "source.vm-gone": [fromVm({ vm: null }), "blocker", null],
  "source.disk-unreadable": [
    fromVm({}, { disks: [{ ...vm.disks[0]!, captureBlocker: "It is a device of the host." }] }),
    "blocker",
    null,
  ],
  "source.vm-running": [fromVm({}, { state: "running" }), "blocker", null],
  "source.running": [fromVm({ captureRunning: true }, { state: "running" }), "info", null],
  "source.firmware-differs": [fromVm({}, { firmware: "bios" }), "warning", { firmware: "bios" }],
  "host.offline": [withHost({ online: false }), "blocker", null],
  "host.stale": [withHost({ staleSince: "2026-01-01T00:00:00Z" }), "warning", null],
  "host.simulated": [withHost({ simulated: true }), "info", null],
  "host.emulated": [withCaps({ acceleration: "emulated" }), "info", null],
  "host.cannot-start": [withCaps({ canStartVms: false, whyNotStart: "no driver" }), "warning", { start: false }],
  "target.firmware-unavailable": [
    withCaps({
      firmware: [capabilities.firmware[0]!, { ...capabilities.firmware[1]!, available: false, reason: "no OVMF" }],
    }),
    "blocker",
    { firmware: "bios" },
  ],
  "target.secure-boot-trust": [
    {
      ...withCaps({ firmware: [{ ...gen1, secureBoot: true, secureBootTrusts: { windows: "W", other: "O" } }] }),
      choice: { ...choice, firmware: "bios", secureBoot: true },
    },
    "info",
    null,
  ],
  "target.firmware-limits": [
    { ...withCaps({ firmware: [gen1, capabilities.firmware[1]!] }), choice: { ...choice, firmware: "bios", cpus: 9 } },
    "blocker",
    { cpus: 8 },
  ],
  "target.boot-disk-too-large": [
    {
      ...withCaps({ firmware: [gen1, capabilities.firmware[1]!] }),
      choice: { ...choice, firmware: "bios" },
      image: { ...good.image, disks: [{ ...good.image.disks[0]!, virtualSize: 3072 * GiB }] },
    },
    "blocker",
    { firmware: "uefi" },
  ],
  "guest.firmware-mismatch": [
    withGuest(guest({ boots: { bios: true, uefi: false } })),
    "blocker",
    { firmware: "bios" },
  ],
  "guest.no-boot-loader": [withGuest(guest({ boots: { bios: false, uefi: false } })), "warning", null],
  "guest.boot-entry-missing": [
    withGuest(guest({ efiLoaders: [{ path: "EFI/debian/shimx64.efi", arch: "x86_64", fallback: false }] })),
    "warning",
    { firmware: "bios" },
  ],
  "guest.other-architecture": [
    withGuest(guest({ efiLoaders: [{ path: "EFI/BOOT/BOOTIA32.EFI", arch: "i686", fallback: true }] })),
    "blocker",
    { firmware: "bios" },
  ],
  "target.sector-size": [withGuest(guest({ sectorSize: 4096 })), "blocker", null],
  "target.bus-cannot-boot": [withChoice({ bus: "ide" }), "blocker", { bus: "virtio" }],
  "target.bus-not-offered": [withChoice({ bus: "pvscsi" }), "blocker", { bus: "virtio" }],
  "guest.bus-needs-driver": [withGuest(windows), "warning", { bus: "sata" }],
  "target.nic-not-offered": [
    withChoice({ nic: { networkRef: "lan", model: "vmxnet3" } }),
    "blocker",
    { nic: { networkRef: "lan", model: "virtio" } },
  ],
  "guest.nic-needs-driver": [withGuest(windows), "warning", { nic: { networkRef: "lan", model: "e1000e" } }],
  "target.network-missing": [
    withChoice({ nic: { networkRef: "nowhere", model: "virtio" } }),
    "blocker",
    { nic: { networkRef: "lan", model: "virtio" } },
  ],
  "target.network-inactive": [
    withChoice({ nic: { networkRef: "down", model: "virtio" } }),
    "blocker",
    { nic: { networkRef: "lan", model: "virtio" } },
  ],
  "target.no-network": [withChoice({ nic: null }), "info", null],
  "target.format-not-taken": [withChoice({ diskFormat: "vhdx" }), "blocker", { diskFormat: "qcow2" }],
  "target.pool-format": [
    withHost({ pools: [pool("default", 50 * GiB, { type: "logical", diskFormats: ["raw"], thick: true })] }),
    "blocker",
    { diskFormat: "raw" },
  ],
  "target.disk-too-large": [
    {
      ...withChoice({ diskFormat: "raw" }),
      image: { ...good.image, disks: [{ ...good.image.disks[0]!, virtualSize: 2048 * GiB }] },
    },
    "blocker",
    { diskFormat: "qcow2" },
  ],
  "target.too-many-disks": [
    { ...good, image: { ...good.image, disks: [1, 2, 3].map(() => good.image.disks[0]!) } },
    "blocker",
    null,
  ],
  "target.pool-missing": [withChoice({ poolRef: "nowhere" }), "blocker", { poolRef: "big" }],
  "target.pool-not-writable": [
    withHost({
      pools: [pool("default", 50 * GiB, { writable: false, whyNotWritable: "read-only" }), pool("big", 90 * GiB)],
    }),
    "blocker",
    { poolRef: "big" },
  ],
  "target.pool-no-room": [
    withHost({ pools: [pool("default", GiB), pool("big", 90 * GiB)] }),
    "blocker",
    { poolRef: "big" },
  ],
  "target.pool-nearly-full": [
    withHost({ pools: [pool("default", 5 * GiB), pool("big", 90 * GiB)] }),
    "warning",
    { poolRef: "big" },
  ],
  "target.pool-thin-overcommit": [withHost({ pools: [pool("default", 5 * GiB)] }), "info", null],
  "image.odd-size": [
    { ...good, image: { ...good.image, disks: [{ ...good.image.disks[0]!, virtualSize: 8 * GiB + 1 }] } },
    "warning",
    null,
  ],
  "target.name-exists": [withChoice({ name: "taken" }), "blocker", { name: "taken-2" }],
  "target.name-unsafe": [withChoice({ name: "con" }), "blocker", { name: "vm-con" }],
  "target.name-not-allowed": [withChoice({ name: "Not Allowed" }), "blocker", null],
  "target.too-many-cpus": [withChoice({ cpus: 64 }), "blocker", { cpus: 32 }],
  "target.cpus-over-host": [withChoice({ cpus: 20 }), "warning", { cpus: 16 }],
  "target.memory-limits": [withChoice({ memory: 512 * GiB }), "blocker", { memory: 256 * GiB }],
  "target.memory-over-free": [withChoice({ memory: 48 * GiB }), "warning", null],
};

describe("preflight", () => {
  it("has nothing to say about a good choice", () => {
    expect(runPreflight(good)).toEqual([]);
  });

  it("has a case for every rule, and every rule its own identifier", () => {
    expect(Object.keys(FIRES).sort()).toEqual(RULES.map((rule) => rule.id).sort());
    expect(new Set(RULES.map((rule) => rule.id)).size).toBe(RULES.length);
  });

  for (const [id, [ctx, severity, set]] of Object.entries(FIRES)) {
    it(`${id} speaks`, () => {
      const finding = runPreflight(ctx).find((each) => each.rule === id);
      expect(finding).toBeDefined();
      expect(Finding.parse(finding)).toEqual(finding);
      expect(finding?.severity).toBe(severity);
      expect(finding?.remedy?.set ?? null).toEqual(set);
      if (set === null) return;
      // One click settles it, and what the click sets is a choice that the API takes.
      const after = { ...ctx, choice: TargetChoiceSchema.parse({ ...ctx.choice, ...set }) };
      expect(runPreflight(after).map((each) => each.rule)).not.toContain(id);
    });
  }

  it("offers the other generation, bus and all, for an image that boots with BIOS only", () => {
    const gen2 = { ...capabilities.firmware[1]!, label: "Generation 2 (UEFI)", bootBuses: ["scsi" as const] };
    const ctx = {
      ...withCaps({ buses: ["scsi", "ide"], firmware: [{ ...gen1, bootBuses: ["ide"] }, gen2] }),
      image: withGuest(guest({ boots: { bios: true, uefi: false } })).image,
      choice: { ...choice, bus: "scsi" as const },
    };
    const finding = runPreflight(ctx).find(({ rule }) => rule === "guest.firmware-mismatch");
    expect(finding).toMatchObject({
      severity: "blocker",
      remedy: { label: "Use Generation 1", set: { firmware: "bios", bus: "ide" } },
    });
  });

  it("counts the whole size where a pool gives no less, and finds no other pool that cannot hold the disk", () => {
    const thick = { type: "logical", diskFormats: ["raw" as const], thick: true };
    const pools = [pool("default", 7 * GiB, thick), pool("lvm", 90 * GiB, thick), pool("tiny", 7 * GiB, thick)];
    const findings = runPreflight({ ...withHost({ pools }), choice: { ...choice, diskFormat: "raw" } });
    expect(findings).toMatchObject([{ rule: "target.pool-no-room", remedy: { set: { poolRef: "lvm" } } }]);
    const only = [pool("default", GiB), pool("lvm", 90 * GiB, thick)];
    expect(runPreflight(withHost({ pools: only }))).toMatchObject([{ rule: "target.pool-no-room", remedy: null }]);
    expect(defaultChoice(good.image, { ...good.host, pools: only }).diskFormat).toBe("raw");
  });

  it("knows by its loaders which hosts a guest can start on", () => {
    const loaders = (...given: [path: string, arch: string, fallback: boolean][]) =>
      given.map(([path, arch, fallback]) => ({ path, arch, fallback }));
    const rules = (facts: Partial<GuestFacts>, arch: string, firmware: "bios" | "uefi" = "uefi") => {
      const ctx = withGuest(guest(facts), { firmware });
      return runPreflight({ ...ctx, host: { ...ctx.host, facts: { ...good.host.facts!, arch } } }).map(
        ({ rule }) => rule,
      );
    };
    const uefi = { bios: false, uefi: true };
    const arm = { boots: uefi, efiLoaders: loaders(["EFI/BOOT/BOOTAA64.EFI", "aarch64", true]) };
    expect(rules(arm, "aarch64")).toEqual([]);
    expect(rules(arm, "x86_64")).toEqual(["guest.other-architecture"]);
    // The fallback is for other processors than the host's: there is none.
    const mixed = {
      efiLoaders: loaders(["EFI/BOOT/BOOTIA32.EFI", "i686", true], ["EFI/debian/shimx64.efi", "x86_64", false]),
    };
    expect(rules({ ...mixed, boots: uefi }, "x86_64")).toEqual(["guest.boot-entry-missing"]);
    expect(rules(mixed, "x86_64", "bios")).toEqual([]);
    expect(rules({ boots: { bios: true, uefi: false } }, "aarch64", "bios")).toEqual(["guest.other-architecture"]);
    // The processors fit: that the firmware does not is one finding, not two.
    expect(rules({ boots: { bios: true, uefi: false } }, "x86_64", "uefi")).toEqual(["guest.firmware-mismatch"]);
    // Facts from before loaders were looked at.
    expect(rules({ boots: uefi }, "x86_64")).toEqual([]);
  });

  it("says every note of the disks once", () => {
    const efiLoaders = [{ path: "EFI/debian/shimx64.efi", arch: "x86_64", fallback: false }];
    const facts = guest({ efiLoaders, boots: { bios: false, uefi: true } });
    const notes = [...guestWarnings(facts), "The footer is damaged."];
    const ctx = withGuest(facts);
    const image = { ...ctx.image, disks: ctx.image.disks.map((disk) => ({ ...disk, notes })) };
    expect(runPreflight({ ...ctx, image }).map(({ rule }) => rule)).toEqual([
      "guest.boot-entry-missing",
      "image.notes",
    ]);
  });

  it("does not take a disk with NTFS for Windows", () => {
    const partitions = [
      {
        index: 1,
        start: 0,
        length: GiB,
        type: "NTFS/exFAT",
        typeCode: "0x07",
        name: null,
        bootable: false,
        fileSystem: "ntfs",
        label: null,
      },
    ];
    expect(runPreflight(withGuest(guest({ os: null, partitions })))).toEqual([]);
  });

  it("takes what nobody has read of a VM's disk as unknown, not as absent", () => {
    expect(runPreflight(fromVm({}))).toEqual([]);
    expect(runPreflight(fromVm({ captureRunning: true }))).toEqual([]);
    // What the host says of the guest counts as far as it goes.
    const told = runPreflight(fromVm({ os: windows.os }));
    expect(told.map(({ rule }) => rule)).toEqual(["guest.bus-needs-driver", "guest.nic-needs-driver"]);
    // A disk that is gone is said once, not again as a VM that runs.
    const gone = runPreflight(fromVm({ diskIds: ["sda", "sdb"] }, { state: "running" }));
    expect(gone.map(({ rule, message }) => [rule, message])).toEqual([
      ["source.disk-unreadable", "web has no disk sdb."],
    ]);
    expect(runPreflight(fromVm({ captureRunning: null }, { state: "running" }))).toMatchObject([
      { rule: "source.vm-running" },
    ]);
  });

  it("blocks a host that has told nothing", () => {
    expect(runPreflight(withHost({ capabilities: null }))).toMatchObject([
      { rule: "host.unknown", severity: "blocker" },
    ]);
  });

  it("names every rule in the documentation", () => {
    const path = join(import.meta.dirname, "..", "..", "docs", "preflight-rules.md");
    const text = [
      "# Preflight rules",
      "",
      "What a deploy is checked against, before it is requested and again before it runs.",
      "",
      "| rule | what it says |",
      "| --- | --- |",
      ...RULES.map((rule) => `| \`${rule.id}\` | ${rule.about} |`),
      "| `host.unknown` | The host has not told yet what it can take. |",
      "| `request.name-twice` | Two targets of one request have the same name on the same host. |",
      "",
    ].join("\n");
    if (process.env["UPDATE_DOCS"] === "1") writeFileSync(path, text);
    expect(readFileSync(path, "utf8")).toBe(text);
  });
});

describe("first choices", () => {
  it("block nothing and boot for sure", () => {
    const first = defaultChoice(good.image, good.host);
    expect(TargetChoiceSchema.parse(first)).toEqual(first);
    expect(first).toMatchObject({
      bus: "virtio",
      poolRef: "big",
      name: "golden",
      diskFormat: "qcow2",
      nic: { networkRef: "lan", model: "virtio" },
    });
    expect(runPreflight({ ...good, choice: first }).filter((finding) => finding.severity === "blocker")).toEqual([]);
  });

  it("give Windows devices that it has drivers for, and its own firmware", () => {
    const image = {
      ...good.image,
      disks: [{ ...good.image.disks[0]!, guest: { ...windows, boots: { bios: false, uefi: true } } }],
    };
    expect(defaultChoice(image, good.host)).toMatchObject({ firmware: "uefi", bus: "sata", nic: { model: "e1000e" } });
  });

  it("start without a boot entry where the disk can", () => {
    const efiLoaders = [{ path: "EFI/debian/shimx64.efi", arch: "x86_64", fallback: false }];
    const uefiFirst = {
      ...good.host,
      capabilities: { ...capabilities, firmware: [...capabilities.firmware].reverse() },
    };
    expect(defaultChoice(good.image, uefiFirst).firmware).toBe("uefi");
    expect(defaultChoice(withGuest(guest({ efiLoaders })).image, uefiFirst).firmware).toBe("bios");
  });

  it("make a name that the host takes and nobody has", () => {
    expect(nameFrom("Débian 12 (golden)!", 20)).toBe("debian-12-golden");
    expect(nameFrom("東京", 20)).toBe("vm");
    expect(defaultChoice({ ...good.image, name: "Taken" }, good.host).name).toBe("taken-2");
    // A copy of a VM is called after the VM, not after the image that stands for it.
    expect(defaultChoice(fromVm({}).image, good.host).name).toBe("web");
  });
});
