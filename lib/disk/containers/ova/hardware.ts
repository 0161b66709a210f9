/** The hardware section of a virtual system, in the product's words. Resource types: CIM schema, ResourceType. */
import type { DiskBus, NicModel } from "#lib/domain/hardware.ts";
import type { HardwareHints } from "#lib/domain/image.ts";
import { childText, descendants, type XmlElement } from "../xml.ts";
import { sectionsOf } from "./envelope.ts";
import { inBytes } from "./units.ts";

const CPU = 3;
const MEMORY = 4;
const IDE = 5;
const SCSI = 6;
const ETHERNET = 10;
const DISK = 17;
const OTHER_STORAGE = 20;

interface Item {
  readonly type: number;
  readonly id: string;
  readonly subType: string;
  readonly quantity: string;
  readonly units: string;
  readonly parent: string;
  readonly resource: string;
}

export interface OvfHardware {
  readonly hints: HardwareHints;
  /** Identifiers of disks or files that the machine's disk items name, in their order. */
  readonly order: readonly string[];
  readonly nics: number;
  /** e.g. `vmx-13`, `virtualbox-2.2`; empty when it does not say. */
  readonly family: string;
}

export function readHardware(system: XmlElement): OvfHardware {
  const sections = sectionsOf(system, "VirtualHardwareSection");
  const items = sections.flatMap((section) =>
    section.children
      .filter(({ name }) => name === "Item" || name === "StorageItem" || name === "EthernetPortItem")
      .map(readItem),
  );
  const first = (type: number) => items.find((item) => item.type === type);
  const cpu = first(CPU);
  const memory = first(MEMORY);
  const disks = items.filter(({ type, resource }) => type === DISK && resource !== "");
  const controllers = new Map(items.map((item) => [item.id, item]));
  const nics = items.filter(({ type }) => type === ETHERNET);
  const cpus = cpu === undefined ? Number.NaN : Number(cpu.quantity);
  return {
    hints: {
      cpus: Number.isSafeInteger(cpus) && cpus > 0 && cpus <= 4096 ? cpus : null,
      memory: memory === undefined ? null : positive(inBytes(memory.quantity, memory.units || "MegaBytes")),
      firmware: firmwareOf(system),
      bus: busOf(disks[0] === undefined ? undefined : controllers.get(disks[0].parent), disks[0]),
      nic: nicOf(nics[0]),
    },
    order: disks.map(({ resource }) => resource.replace(/^.*\//, "")),
    nics: nics.length,
    family: sections
      .map((section) => [...descendants(section, "VirtualSystemType")][0]?.text ?? "")
      .join("")
      .slice(0, 60),
  };
}

function readItem(item: XmlElement): Item {
  const text = (name: string) => childText(item, name) ?? "";
  return {
    type: Number(text("ResourceType")),
    id: text("InstanceID") || text("InstanceId"),
    subType: text("ResourceSubType").toLowerCase(),
    quantity: text("VirtualQuantity"),
    units: text("AllocationUnits") || text("VirtualQuantityUnits"),
    parent: text("Parent"),
    resource: text("HostResource"),
  };
}

const positive = (value: number | null): number | null => (value === null || value <= 0 ? null : value);

/** vSphere: a Config element; VirtualBox: in its own Machine element; oVirt: BiosType. */
function firmwareOf(system: XmlElement): HardwareHints["firmware"] {
  for (const config of descendants(system, "Config")) {
    if (config.attributes.get("key") === "firmware") {
      return /efi/i.test(config.attributes.get("value") ?? "") ? "uefi" : "bios";
    }
  }
  for (const machine of descendants(system, "Machine")) {
    const [firmware] = descendants(machine, "Firmware");
    if (firmware !== undefined) return /^efi/i.test(firmware.attributes.get("type") ?? "") ? "uefi" : "bios";
  }
  const [bios] = descendants(system, "BiosType");
  // 1 and 2 are SeaBIOS; 3 and 4 are OVMF.
  if (bios !== undefined && /^[1-4]$/.test(bios.text)) return Number(bios.text) >= 3 ? "uefi" : "bios";
  return null;
}

function busOf(controller: Item | undefined, disk: Item | undefined): DiskBus | null {
  const kind = controller?.subType ?? disk?.subType ?? "";
  if (/nvme/.test(kind)) return "nvme";
  if (/ahci|sata/.test(kind)) return "sata";
  if (/virtioscsi|virtio[-_]scsi/.test(kind)) return "virtio-scsi";
  if (/^virtio/.test(kind)) return "virtio";
  if (/virtualscsi|pvscsi/.test(kind)) return "pvscsi";
  if (/sas/.test(kind)) return "sas";
  if (/xen/.test(kind)) return "xen";
  if (controller?.type === IDE || /ide|piix/.test(kind)) return "ide";
  if (controller?.type === SCSI || /scsi|lsilogic|buslogic/.test(kind)) return "scsi";
  return controller?.type === OTHER_STORAGE ? "sata" : null;
}

function nicOf(nic: Item | undefined): NicModel | null {
  const kind = nic?.subType ?? "";
  if (/vmxnet3/.test(kind)) return "vmxnet3";
  if (/e1000e|82574/.test(kind)) return "e1000e";
  if (/e1000|8254[035]/.test(kind)) return "e1000";
  if (/virtio/.test(kind)) return "virtio";
  if (/rtl8139|8139/.test(kind)) return "rtl8139";
  return null;
}
