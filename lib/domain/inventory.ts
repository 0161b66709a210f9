/** What an adapter finds on a host. `ref` is the host's own stable identifier for the thing (UUID, pool name, moref). */
import { z } from "zod";
import { DiskBus, Firmware, NicModel, PowerState } from "./hardware.ts";
import { DiskFormatId, SourceFormatId } from "./disk-format.ts";

const bytes = z.number().int().nonnegative();

export const VmDisk = z.object({
  /** Stable within the VM: target device, slot or key. */
  id: z.string(),
  label: z.string(),
  bus: DiskBus.nullable(),
  /** Where it lies, as the host says it: path, `[datastore] folder/x.vmdk`, VDI uuid. */
  source: z.string().nullable(),
  storageRef: z.string().nullable(),
  format: SourceFormatId.nullable(),
  capacity: bytes.nullable(),
  allocated: bytes.nullable(),
  readOnly: z.boolean(),
  /** The machine is told to start from this one first; absent: nothing is said, and the order of the disks decides. */
  boot: z.boolean().optional(),
  /** What else the host says of it, in words: `thin`, `independent`. */
  details: z.string().nullable().optional(),
  /** Why this disk cannot be captured, null when it can. */
  captureBlocker: z.string().nullable(),
});
export type VmDisk = z.infer<typeof VmDisk>;

export const VmNic = z.object({
  id: z.string(),
  mac: z.string().nullable(),
  model: NicModel.nullable(),
  /** The host's own word when the model is none of ours. */
  modelRaw: z.string().nullable(),
  networkRef: z.string().nullable(),
  networkName: z.string().nullable(),
  connected: z.boolean(),
  addresses: z.array(z.string()),
});
export type VmNic = z.infer<typeof VmNic>;

export const VmSnapshot = z.object({
  id: z.string(),
  name: z.string(),
  parentId: z.string().nullable(),
  createdAt: z.string().nullable(),
  state: z.string().nullable(),
  current: z.boolean(),
});
export type VmSnapshot = z.infer<typeof VmSnapshot>;

/** Where a VM lies on a host that stands for many machines. */
export const VmLocation = z.object({
  /** Path of names, `/` between them. */
  folder: z.string().nullable(),
  cluster: z.string().nullable(),
  /** The machine that runs it. */
  node: z.string().nullable(),
});
export type VmLocation = z.infer<typeof VmLocation>;

/** What a VM asks before it goes on, in its host's words. */
export const VmQuestion = z.object({ text: z.string(), choices: z.array(z.string()) });
export type VmQuestion = z.infer<typeof VmQuestion>;

export const Vm = z.object({
  kind: z.literal("vm"),
  ref: z.string(),
  name: z.string(),
  state: PowerState,
  cpus: z.number().int().nullable(),
  memory: bytes.nullable(),
  firmware: Firmware.nullable(),
  secureBoot: z.boolean().nullable(),
  guestOs: z.string().nullable(),
  machine: z.string().nullable(),
  description: z.string().nullable(),
  startedAt: z.string().nullable(),
  /** Absent: the host is one machine without such an order. */
  location: VmLocation.nullable().optional(),
  /** Has a virtual TPM. */
  tpm: z.boolean().nullable().optional(),
  /** The guest's tools of this vendor, in words: `running`. */
  tools: z.string().nullable().optional(),
  /** It stands still until somebody answers this on its host. */
  question: VmQuestion.nullable().optional(),
  /** Why it is not started and stopped from here, a whole sentence: it is a template, its host runs it. */
  powerBlocker: z.string().nullable().optional(),
  disks: z.array(VmDisk),
  nics: z.array(VmNic),
  snapshots: z.array(VmSnapshot),
  /** The tag that Supravisor put in when it made the VM, else null. */
  tag: z.string().nullable(),
});
export type Vm = z.infer<typeof Vm>;

export const StoragePool = z.object({
  kind: z.literal("pool"),
  ref: z.string(),
  name: z.string(),
  /** The host's word: dir, lvm, vmfs, nfs, lvhd, ntfs. */
  type: z.string(),
  capacity: bytes.nullable(),
  free: bytes.nullable(),
  path: z.string().nullable(),
  active: z.boolean(),
  /** Can take a new disk from us. */
  writable: z.boolean(),
  whyNotWritable: z.string().nullable(),
  /** Formats that its disks may have; absent: all that the host takes. */
  diskFormats: z.array(DiskFormatId).min(1).optional(),
  /** A new disk takes its whole size from the start; absent: it takes what is stored. */
  thick: z.boolean().optional(),
});
export type StoragePool = z.infer<typeof StoragePool>;

export const Network = z.object({
  kind: z.literal("network"),
  ref: z.string(),
  name: z.string(),
  /** nat, bridge, isolated, routed, switch, portgroup. */
  type: z.string(),
  active: z.boolean(),
  bridge: z.string().nullable(),
});
export type Network = z.infer<typeof Network>;

export const HostFacts = z.object({
  kind: z.literal("host"),
  ref: z.string(),
  name: z.string(),
  product: z.string(),
  version: z.string(),
  cpus: z.number().int().nullable(),
  cpuModel: z.string().nullable(),
  arch: z.string().nullable(),
  memory: bytes.nullable(),
  memoryFree: bytes.nullable(),
});
export type HostFacts = z.infer<typeof HostFacts>;

export const InventoryItem = z.discriminatedUnion("kind", [HostFacts, Vm, StoragePool, Network]);
export type InventoryItem = z.infer<typeof InventoryItem>;
export type InventoryKind = InventoryItem["kind"];

export type InventoryChange =
  | { readonly type: "put"; readonly item: InventoryItem }
  | { readonly type: "gone"; readonly kind: InventoryKind; readonly ref: string };
