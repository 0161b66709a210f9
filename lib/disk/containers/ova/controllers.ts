/** Which controller the disks of a machine hang on, in the words of VMware and VirtualBox. */
import type { DiskBus } from "#lib/domain/hardware.ts";
import type { OvaOptions } from "./options.ts";

export interface ControllerKind {
  /** CIM: 5 IDE, 6 SCSI, 20 other storage. */
  readonly resourceType: number;
  readonly subType: string;
  readonly label: string;
  /** Places for disks on one, in the order in which they are filled. */
  readonly places: readonly number[];
  readonly most: number;
  /** `ddb.adapterType` of the VMDK. */
  readonly adapterType: "ide" | "lsilogic";
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
/** The controller itself has number 7. */
const SCSI_PLACES = upTo(16).filter((place) => place !== 7);
const scsi = (subType: string): ControllerKind => ({
  resourceType: 6,
  subType,
  label: "SCSI controller",
  places: SCSI_PLACES,
  most: 4,
  adapterType: "lsilogic",
});
const IDE = { resourceType: 5, label: "IDE controller", places: upTo(2), most: 2, adapterType: "ide" } as const;
const OTHER = { resourceType: 20, most: 4, adapterType: "lsilogic" } as const;

const VMWARE = {
  sata: { ...OTHER, subType: "vmware.sata.ahci", label: "SATA controller", places: upTo(30) },
  nvme: { ...OTHER, subType: "vmware.nvme.controller", label: "NVMe controller", places: upTo(15) },
  ide: { ...IDE, subType: "" },
  scsi: scsi("lsilogic"),
  sas: scsi("lsilogicsas"),
  pvscsi: scsi("VirtualSCSI"),
} satisfies Partial<Record<DiskBus, ControllerKind>>;

const VIRTUALBOX = {
  sata: { ...OTHER, most: 1, subType: "AHCI", label: "sataController", places: upTo(30) },
  ide: { ...IDE, subType: "PIIX4" },
  scsi: { ...scsi("lsilogic"), most: 1 },
  sas: { ...scsi("lsilogicsas"), most: 1 },
} satisfies Partial<Record<DiskBus, ControllerKind>>;

/** What the target has of that name, else SATA: all its guests have a driver for that. */
export function controllerOf(bus: DiskBus | null, target: OvaOptions["target"]): ControllerKind {
  const kinds: Partial<Record<DiskBus, ControllerKind>> = target === "vmware" ? VMWARE : VIRTUALBOX;
  return (bus === null ? undefined : kinds[bus]) ?? (target === "vmware" ? VMWARE.sata : VIRTUALBOX.sata);
}
