/** A provisioning request: what somebody asked for, what was frozen, who decided, what ran. */
import { z } from "zod";
import { DiskBus, Firmware, NicModel } from "./hardware.ts";
import { DiskFormatId } from "./disk-format.ts";
import { Finding } from "./finding.ts";
import { plainName } from "./plain-name.ts";

/** A VM name that every hypervisor takes; the host's own pattern is checked by preflight. */
export const VmName = plainName(80).refine((name) => !/[/\\]/.test(name), "A VM name cannot hold slashes");

/** One VM to make: the choices on one target card of the deploy page. */
export const TargetChoice = z.object({
  hostId: z.uuid(),
  name: z.string(),
  cpus: z.number().int().min(1).max(4096),
  /** Bytes. */
  memory: z
    .number()
    .int()
    .min(1024 * 1024),
  firmware: Firmware,
  /** The guest starts signed code only. */
  secureBoot: z.boolean().default(false),
  diskFormat: DiskFormatId,
  bus: DiskBus,
  poolRef: z.string().min(1),
  /** Null networkRef: no network card. */
  nic: z.object({ networkRef: z.string().min(1), model: NicModel }).nullable(),
  /** By placement id of the host's capabilities; what is absent goes to the host's default. */
  placement: z.record(z.string(), z.string()).default({}),
  start: z.boolean(),
});
export type TargetChoice = z.infer<typeof TargetChoice>;

/** As it is asked for. What was asked for earlier may have a name of earlier rules. */
export const NewTargetChoice = TargetChoice.extend({ name: VmName });

export const RequestStatus = z.enum([
  "pending",
  "denied",
  "approved",
  "running",
  "succeeded",
  "partly",
  "failed",
  "cancelled",
]);
export type RequestStatus = z.infer<typeof RequestStatus>;

export const TargetStatus = z.enum(["waiting", "running", "succeeded", "failed", "cancelling", "cancelled"]);
export type TargetStatus = z.infer<typeof TargetStatus>;

/** True names of what a deploy does, in order. */
export const STAGES = [
  "check",
  "create-disk",
  "transfer",
  "verify",
  "create-vm",
  "start-vm",
  "clean-up",
  "wait",
] as const;
export const StageId = z.enum(STAGES);
export type StageId = z.infer<typeof StageId>;

export const Stage = z.object({
  id: StageId,
  /** "Converting VMDK → qcow2 while sending to pool `default`" */
  label: z.string(),
  state: z.enum(["waiting", "running", "done", "failed", "skipped"]),
  startedAt: z.string().nullable(),
  finishedAt: z.string().nullable(),
});
export type Stage = z.infer<typeof Stage>;

export const Progress = z.object({
  /** Bytes of the disk that are settled, zeros included. */
  done: z.number().int().nonnegative(),
  total: z.number().int().nonnegative(),
  /** Bytes that truly went over the wire. */
  moved: z.number().int().nonnegative(),
  /** Bytes of disk settled a second, moving average; null until known. */
  rate: z.number().nonnegative().nullable(),
  /** Seconds left; null until known. */
  eta: z.number().nonnegative().nullable(),
});
export type Progress = z.infer<typeof Progress>;

/** A VM whose disks a deploy reads from their host: part of what is approved. */
export const PlanSource = z.object({
  hostId: z.uuid(),
  hostName: z.string(),
  vmRef: z.string(),
  vmName: z.string(),
  /** The VM's own identifiers, in boot order. */
  diskIds: z.array(z.string()),
});
export type PlanSource = z.infer<typeof PlanSource>;

/** The proof at the end: one a disk. */
export const Receipt = z.object({
  /** Of what was read: the image, or the disks of a VM at one moment. */
  imageFingerprint: z.string(),
  /** Null when the host cannot give the bytes back; `note` says why. */
  targetFingerprint: z.string().nullable(),
  equal: z.boolean().nullable(),
  format: DiskFormatId,
  virtualSize: z.number().int(),
  bytesMoved: z.number().int(),
  seconds: z.number(),
  vmRef: z.string(),
  vmName: z.string(),
  diskRef: z.string(),
  note: z.string().nullable(),
  /** The disks were a VM's; absent: an image's. */
  source: z
    .object({
      hostName: z.string(),
      vmName: z.string(),
      /** A snapshot of the running VM, or the VM while it was not running. */
      moment: z.enum(["snapshot", "stopped"]),
      /** When the first byte could be read. */
      at: z.string(),
    })
    .optional(),
});
export type Receipt = z.infer<typeof Receipt>;

/** Bytes and time that preflight expects. */
export const Estimate = z.object({
  bytesToMove: z.number().int().nonnegative(),
  fileLength: z.number().int().nonnegative().nullable(),
  seconds: z.number().nonnegative(),
  /** ± seconds. */
  error: z.number().nonnegative(),
  /** How we know: `3 earlier deploys to this host`, `no deploy to this host yet`. */
  basis: z.string(),
});
export type Estimate = z.infer<typeof Estimate>;

/** What was approved is what runs: hashed as canonical JSON (keys sorted) under SHA-256. */
export const FrozenPlan = z.object({
  version: z.literal(1),
  imageId: z.uuid(),
  imageVersionId: z.uuid(),
  imageName: z.string(),
  /** Of the disks that were read beforehand: none of a VM's, which is approved as it is when the job runs. */
  fingerprints: z.array(z.string()),
  source: PlanSource.optional(),
  targets: z
    .array(z.object({ choice: TargetChoice, hostName: z.string(), findings: z.array(Finding), estimate: Estimate }))
    .min(1),
});
export type FrozenPlan = z.infer<typeof FrozenPlan>;
