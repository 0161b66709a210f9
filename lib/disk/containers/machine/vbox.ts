/** Settings of a machine of VirtualBox: its `.vbox` file. */
import type { DiskBus, NicModel } from "#lib/domain/hardware.ts";
import { childrenOf, descendants, type XmlElement } from "../xml.ts";
import { type DescribedDisk, type DescribedMachine, NO_HINTS } from "./described.ts";

const MOST_MEMORY_MIB = 64 * 2 ** 20;
const BUSES: readonly (readonly [RegExp, DiskBus])[] = [
  [/^(PIIX|ICH)/i, "ide"],
  [/^LsiLogicSas$/i, "sas"],
  [/^(LsiLogic|BusLogic)$/i, "scsi"],
  [/^AHCI$/i, "sata"],
  [/^VirtioSCSI$/i, "virtio-scsi"],
  [/^NVMe$/i, "nvme"],
];

const first = (element: XmlElement | undefined, name: string): XmlElement | undefined =>
  element === undefined ? undefined : childrenOf(element, name)[0];
const attribute = (element: XmlElement | undefined, name: string): string => element?.attributes.get(name) ?? "";

/** Null: the document is no machine of VirtualBox. */
export function readVbox(root: XmlElement): DescribedMachine | null {
  const machine = root.name === "VirtualBox" ? first(root, "Machine") : undefined;
  if (machine === undefined) return null;
  // A snapshot has hardware of its own below; the machine's is its child.
  const hardware = first(machine, "Hardware");
  const storage = first(machine, "StorageControllers") ?? first(hardware, "StorageControllers");
  const cpus = Number(attribute(first(hardware, "CPU"), "count") || "1");
  const memory = Number(attribute(first(hardware, "Memory"), "RAMSize"));
  const firmware =
    attribute(first(hardware, "Firmware"), "type") || attribute(first(first(hardware, "BIOS"), "Firmware"), "type");
  const adapters = childrenOf(first(hardware, "Network") ?? machine, "Adapter").filter(
    (adapter) => attribute(adapter, "enabled") === "true",
  );
  const { disks, bus, unnamed } = disksOf(machine, storage);
  const macs = adapters.map((adapter) => attribute(adapter, "MACAddress")).filter((mac) => mac !== "");
  const notes: string[] = [];
  if (unnamed > 0) notes.push(`Disks that the machine names by an identifier that its file does not know: ${unnamed}.`);
  if (attribute(machine, "stateFile") !== "") notes.push("The machine is saved: what its memory holds was left aside.");
  return {
    name: attribute(machine, "name") || null,
    hints: {
      ...NO_HINTS,
      cpus: Number.isInteger(cpus) && cpus > 0 && cpus <= 4096 ? cpus : null,
      memory: Number.isInteger(memory) && memory > 0 && memory <= MOST_MEMORY_MIB ? memory * 2 ** 20 : null,
      firmware: /^efi/i.test(firmware) ? "uefi" : "bios",
      bus,
      nic: adapters[0] === undefined ? null : nicOf(attribute(adapters[0], "type")),
    },
    details: {
      nics: adapters.length,
      ...(macs.length === 0 ? {} : { macs: macs.slice(0, 16).join(", ").slice(0, 400) }),
      ...(attribute(machine, "OSType") === "" ? {} : { guestId: attribute(machine, "OSType").slice(0, 120) }),
    },
    notes,
    disks,
  };
}

interface Attachment {
  readonly uuid: string;
  readonly place: string;
  readonly bus: DiskBus | null;
  readonly key: number;
}

function disksOf(machine: XmlElement, storage: XmlElement | undefined) {
  const files = new Map<string, string>();
  for (const disk of descendants(first(machine, "MediaRegistry") ?? machine, "HardDisk"))
    files.set(attribute(disk, "uuid").toLowerCase(), attribute(disk, "location"));
  const found: Attachment[] = [];
  for (const [i, controller] of (storage === undefined ? [] : childrenOf(storage, "StorageController")).entries()) {
    const rank = BUSES.findIndex(([kind]) => kind.test(attribute(controller, "type")));
    for (const device of childrenOf(controller, "AttachedDevice")) {
      if (attribute(device, "type") !== "HardDisk") continue;
      const port = Number(attribute(device, "port")) || 0;
      const unit = Number(attribute(device, "device")) || 0;
      found.push({
        uuid: attribute(first(device, "Image"), "uuid").toLowerCase(),
        place: `${attribute(controller, "name").slice(0, 40)} ${port}:${unit}`,
        bus: BUSES[rank]?.[1] ?? null,
        key: ((rank === -1 ? BUSES.length : rank) * 64 + (i % 64)) * 65_536 + (port % 4096) * 16 + (unit % 16),
      });
    }
  }
  found.sort((a, b) => a.key - b.key);
  const disks = found.flatMap(({ uuid, place }): DescribedDisk[] => {
    const path = files.get(uuid) ?? "";
    return path === "" ? [] : [{ path, place }];
  });
  return { disks, bus: found[0]?.bus ?? null, unnamed: found.length - disks.length };
}

function nicOf(kind: string): NicModel | null {
  if (/^virtio$/i.test(kind)) return "virtio";
  // VirtualBox numbers Intel's cards: 82540EM, 82543GC, 82545EM.
  return /^8254/.test(kind) ? "e1000" : null;
}
