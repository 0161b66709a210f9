/** The hardware section of a virtual system, in the product's words. Resource types: CIM schema, ResourceType. */
import type { DiskBus, NicModel } from "#lib/domain/hardware.ts";
import type { HardwareHints } from "#lib/domain/image.ts";
import { childText, descendants, type XmlElement } from "../xml.ts";
import { inMachineOrder } from "./disk-order.ts";
import { sectionsOf } from "./envelope.ts";
import { type Item, itemsOf, lastPart } from "./items.ts";
import { inBytes } from "./units.ts";

const CPU = 3;
const MEMORY = 4;
const IDE = 5;
const SCSI = 6;
const ETHERNET = 10;
/** A disk drive, and what OVF 2 calls a logical disk and a storage volume. */
const DISK = new Set([17, 31, 32]);
const OTHER_STORAGE = 20;

export interface OvfHardware {
  readonly hints: HardwareHints;
  /** Identifiers of disks or files that the machine's disk items name, in the machine's order. */
  readonly order: readonly string[];
  /** Those that other configurations of it name. */
  readonly elsewhere: readonly string[];
  /** What is worth showing beside the hints. */
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

const LONGEST_DETAIL = 120;

/** `configuration` null: there are none to choose from. */
export function readHardware(system: XmlElement, configuration: string | null): OvfHardware {
  const { items, elsewhere } = itemsOf(system, configuration);
  const first = (type: number) => items.find((item) => item.type === type);
  const cpu = first(CPU);
  const memory = first(MEMORY);
  const attached = items.filter(({ type, resource }) => DISK.has(type) && resource !== "");
  const disks = inMachineOrder(attached, items, bootDisk(system));
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
    order: disks.map(({ resource }) => lastPart(resource)),
    elsewhere,
    details: detailsOf(system, nics),
  };
}

function detailsOf(system: XmlElement, nics: readonly Item[]): OvfHardware["details"] {
  const family = sectionsOf(system, "VirtualHardwareSection")
    .map((section) => [...descendants(section, "VirtualSystemType")][0]?.text ?? "")
    .join("");
  const addresses = nics
    .map(({ address }) => address)
    .filter((address) => /^[0-9a-f]{2}([:-]?[0-9a-f]{2}){5}$/i.test(address));
  const [os] = sectionsOf(system, "OperatingSystemSection");
  const guest = os?.attributes.get("osType") ?? (os === undefined ? null : childText(os, "Description"));
  const secure = configOf(system, "bootOptions.efiSecureBootEnabled");
  return {
    ...(family === "" ? {} : { hardware: family.slice(0, 60) }),
    nics: nics.length,
    ...(addresses.length === 0 ? {} : { macs: addresses.slice(0, 16).join(", ") }),
    ...(guest === null || guest === "" ? {} : { guestId: guest.slice(0, LONGEST_DETAIL) }),
    ...(secure === null ? {} : { secureBoot: /^true$/i.test(secure) }),
  };
}

/** vSphere's own section: the device that the machine starts from. */
function bootDisk(system: XmlElement): string | null {
  const sections = sectionsOf(system, "BootOrderSection");
  const disk = sections.find(({ attributes }) => /^disk$/i.test(attributes.get("type") ?? ""));
  return disk?.attributes.get("instanceId") ?? null;
}

/** vSphere's settings beside the hardware. */
function configOf(system: XmlElement, key: string): string | null {
  for (const config of descendants(system, "Config")) {
    if (config.attributes.get("key") === key) return config.attributes.get("value") ?? "";
  }
  return null;
}

const positive = (value: number | null): number | null => (value === null || value <= 0 ? null : value);

/** vSphere: a Config element; VirtualBox: in its own Machine element; oVirt: BiosType. */
function firmwareOf(system: XmlElement): HardwareHints["firmware"] {
  const firmware = configOf(system, "firmware");
  if (firmware !== null) return /efi/i.test(firmware) ? "uefi" : "bios";
  for (const machine of descendants(system, "Machine")) {
    const [own] = descendants(machine, "Firmware");
    if (own !== undefined) return /^efi/i.test(own.attributes.get("type") ?? "") ? "uefi" : "bios";
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
