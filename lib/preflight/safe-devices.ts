/** Disk buses and network cards that boot a guest for sure, by what the guest is. Booting goes before speed. */
import type { DiskBus, NicModel } from "#lib/domain/hardware.ts";
import type { GuestFacts } from "#lib/domain/guest.ts";
import type { PreflightImage } from "./context.ts";

/** Drivers of these are not part of Windows: it stops with 0x7B when its boot disk hangs on one. */
const NOT_IN_WINDOWS: ReadonlySet<DiskBus> = new Set(["virtio", "virtio-scsi", "pvscsi", "xen"]);
const NICS_NOT_IN_WINDOWS: ReadonlySet<NicModel> = new Set(["virtio", "vmxnet3", "netfront"]);

type Family = NonNullable<GuestFacts["os"]>["family"];

/** By the first disk; of a VM's disks, which nobody has read, by what its host says. */
export function familyOf({ disks, source }: Pick<PreflightImage, "disks" | "source">): Family | "unknown" {
  return disks[0]?.guest?.os?.family ?? source?.os?.family ?? "unknown";
}

export function riskyBus(family: Family | "unknown", bus: DiskBus): boolean {
  return family === "windows" && NOT_IN_WINDOWS.has(bus);
}

export function riskyNic(family: Family | "unknown", nic: NicModel): boolean {
  return family === "windows" && NICS_NOT_IN_WINDOWS.has(nic);
}
