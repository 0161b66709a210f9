/** What this VirtualBox can do, from its own properties and the host's driver as they are now. */
import type { HostCapabilities, Placement } from "#lib/domain/capabilities.ts";
import type { DiskBus, NicModel } from "#lib/domain/hardware.ts";
import { type VirtualBoxHost, whyNoX86 } from "./host-facts.ts";
import { sizeOf } from "./records.ts";
import type { VBoxManage } from "./vboxmanage.ts";

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;
/** Device that the kernel driver makes on Linux. */
const DRIVER_DEVICE = "/dev/vboxdrv";
export const ROOT_GROUP = "/";
/** Cards of a PIIX3 machine; more would want the other chipset. */
const MAX_NICS = 8;

/** Null: it can. */
async function whyNotStart(vbox: VBoxManage, host: VirtualBoxHost, signal?: AbortSignal): Promise<string | null> {
  const { machine } = vbox;
  const arm = whyNoX86(vbox, host);
  if (arm !== null) return arm;
  if (machine.os === "linux" && (await machine.files.stat(DRIVER_DEVICE, signal).catch(() => null)) === null) {
    return (
      `VirtualBox's kernel driver is not loaded on ${machine.name} (${DRIVER_DEVICE} is missing): ` +
      "VMs can be made there, but not started."
    );
  }
  if (host.info.get("Processor supports HW virtualization") === "no") {
    return `The processor of ${machine.name} offers no hardware virtualisation to VirtualBox: VMs can be made there, but not started.`;
  }
  return null;
}

/** VMs can be put into groups of VirtualBox's window. */
async function groups(vbox: VBoxManage, signal?: AbortSignal): Promise<Placement[]> {
  const text = await vbox.ask(["list", "groups"], { signal });
  const found = [...text.matchAll(/^"(\/.*)"\r?$/gm)]
    .flatMap(([, name]) => name ?? [])
    .filter((name) => name !== ROOT_GROUP);
  if (found.length === 0) return [];
  return [
    {
      id: "group",
      label: "Group",
      options: [{ ref: ROOT_GROUP, label: "no group" }, ...found.sort().map((ref) => ({ ref, label: ref.slice(1) }))],
      defaultRef: ROOT_GROUP,
    },
  ];
}

export async function readCapabilities(
  vbox: VBoxManage,
  host: VirtualBoxHost,
  signal?: AbortSignal,
): Promise<HostCapabilities> {
  const [reason, placements] = await Promise.all([whyNotStart(vbox, host, signal), groups(vbox, signal)]);
  const { properties, info } = host;
  const arm = whyNoX86(vbox, host);
  const size = (name: string): number | null => sizeOf((properties.get(name) ?? "").replace("Megabytes", "MBytes"));
  const number = (name: string, otherwise: number): number => Number(properties.get(name)) || otherwise;
  // NVMe came with the extension pack before 7.0.
  const nvme: DiskBus[] = vbox.atLeast(7) ? ["nvme"] : [];
  const buses: DiskBus[] = ["sata", "ide", "scsi", "sas", "virtio-scsi", ...nvme];
  const nics: NicModel[] = ["e1000", "virtio"];
  return {
    diskFormats: ["vdi", "vmdk", "vhd"],
    formatOptions: {},
    placements,
    buses,
    nics,
    firmware: [
      {
        firmware: "bios",
        available: arm === null,
        reason: arm,
        bootBuses: ["sata", "ide", "scsi", "sas"],
        label: "BIOS",
        secureBoot: false,
      },
      {
        firmware: "uefi",
        available: arm === null,
        reason: arm,
        bootBuses: ["sata", "ide", ...nvme],
        label: "EFI",
        secureBoot: vbox.atLeast(7),
      },
    ],
    limits: {
      maxCpus: number("Maximum guest CPU count", 64),
      maxMemory: size("Maximum guest RAM size") ?? 2048 * GiB,
      minMemory: size("Minimum guest RAM size") ?? 4 * MiB,
      maxDiskSize: { vhd: 2040 * GiB },
      maxDisks: number("Maximum SATA Port count", 30),
      maxNics: MAX_NICS,
      // Files are named after the VM: 255 bytes less their endings.
      nameMaxLength: 80,
      namePattern: "^[^\\u0000-\\u001f]+$",
    },
    acceleration: info.get("Processor supports HW virtualization") === "yes" ? "VT-x/AMD-V" : "none",
    canStartVms: reason === null,
    whyNotStart: reason,
    captureRunning: false,
    packages: [],
    canReadBack: true,
    sparseTransfer: true,
    hasConsoleLog: false,
    simulated: false,
  };
}
