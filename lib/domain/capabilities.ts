/** What this host can take, as it is now. Preflight, provisioning and the page read this and never ask for the vendor. */
import { z } from "zod";
import { ContainerKind } from "./container.ts";
import { DiskBus, Firmware, NicModel } from "./hardware.ts";
import { DiskFormatId } from "./disk-format.ts";

const FirmwareChoice = z.object({
  firmware: Firmware,
  available: z.boolean(),
  /** When not available: why, in words. */
  reason: z.string().nullable(),
  /** Buses the firmware can boot from on this host, best first. */
  bootBuses: z.array(DiskBus),
  /** Hypervisor's own word for the choice: `Generation 2`, `OVMF`. */
  label: z.string(),
  /** The host can make the guest start signed code only. */
  secureBoot: z.boolean(),
  /** Whose signatures Secure Boot takes, in words, when that hangs on the guest; absent: there is no such choice. */
  secureBootTrusts: z.object({ windows: z.string(), other: z.string() }).optional(),
  /** What is less with this firmware than the host's own limits. Bytes. */
  limits: z
    .object({
      maxCpus: z.number().int().positive(),
      maxMemory: z.number().int().positive(),
      maxBootDisk: z.number().int().positive(),
    })
    .optional(),
});

/** A place on the host that a VM is put into beside its storage: a folder, a resource pool, a member of a cluster. */
const Placement = z.object({
  /** Stable: `folder`, `resource-pool`, `host`. */
  id: z.string(),
  label: z.string(),
  options: z.array(z.object({ ref: z.string(), label: z.string() })).min(1),
  defaultRef: z.string(),
});
export type Placement = z.infer<typeof Placement>;

export const HostCapabilities = z.object({
  /** Formats that a new disk may have here, best first. */
  diskFormats: z.array(DiskFormatId).min(1),
  /** What a file must be written with so that this host takes it, by the format's own option names. */
  formatOptions: z.partialRecord(DiskFormatId, z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))),
  placements: z.array(Placement),
  buses: z.array(DiskBus).min(1),
  nics: z.array(NicModel).min(1),
  firmware: z.array(FirmwareChoice).min(1),
  limits: z.object({
    maxCpus: z.number().int().positive(),
    /** Bytes. */
    maxMemory: z.number().int().positive(),
    minMemory: z.number().int().positive(),
    /** Bytes, per format that has a limit here. */
    maxDiskSize: z.partialRecord(DiskFormatId, z.number().int().positive()),
    maxDisks: z.number().int().positive(),
    maxNics: z.number().int().positive(),
    nameMaxLength: z.number().int().positive(),
    /** JavaScript regular expression source that a VM name must match here. */
    namePattern: z.string(),
  }),
  /** Hardware acceleration: `kvm`, `xen`, … or `emulated` when guests run in software. */
  acceleration: z.string(),
  canStartVms: z.boolean(),
  whyNotStart: z.string().nullable(),
  /** The disk of a running VM can be read in the state of one moment. */
  captureRunning: z.boolean(),
  /** Packages that the host itself makes of a whole VM. */
  packages: z.array(ContainerKind).default([]),
  /** Bytes written can be read back whole for the receipt. */
  canReadBack: z.boolean(),
  /** Sparse ranges stay holes on the way to the host. */
  sparseTransfer: z.boolean(),
  hasConsoleLog: z.boolean(),
  simulated: z.boolean(),
});
export type HostCapabilities = z.infer<typeof HostCapabilities>;
