import { z } from "zod";
import { ContainerKind } from "./container.ts";
import { SourceFormatId } from "./disk-format.ts";
import { AllocationMap, GuestFacts } from "./guest.ts";
import { DiskBus, Firmware, NicModel } from "./hardware.ts";
import { ErrorView } from "./host.ts";
import { nameFault } from "./plain-name.ts";

export const ImageName = z
  .string()
  .trim()
  .min(1)
  .max(120)
  .refine((name) => nameFault(name) === null, {
    error: ({ input }) => `An image name ${nameFault(String(input)) ?? "cannot be that"}`,
  });

/** Hardware that the image was made for or likes; all may be unknown. */
export const HardwareHints = z.object({
  cpus: z.number().int().positive().nullable(),
  memory: z.number().int().positive().nullable(),
  firmware: Firmware.nullable(),
  bus: DiskBus.nullable(),
  nic: NicModel.nullable(),
});
export type HardwareHints = z.infer<typeof HardwareHints>;

/** A disk that lies in the library: all of it was read. */
export const StoredDisk = z.object({
  linked: z.literal(false),
  id: z.uuid(),
  position: z.number().int(),
  fileName: z.string(),
  /** What the package (OVA, OVF, XVA) calls the disk; null: the file itself is the disk. */
  entry: z.string().nullable(),
  /** All files of the disk, the named one first. */
  files: z.array(z.string()),
  format: SourceFormatId,
  variant: z.string(),
  virtualSize: z.number(),
  storedSize: z.number(),
  details: z.record(z.string(), z.unknown()),
  notes: z.array(z.string()),
  guest: GuestFacts,
  allocation: AllocationMap,
  /** Hex SHA-256 of each file, in `files` order. */
  sha256: z.array(z.string()),
  fingerprint: z.string(),
});
export type StoredDisk = z.infer<typeof StoredDisk>;

/** A disk that stays on its host. Nobody has read it: what stands here is its host's word, and it may change. */
export const LinkedDisk = z.object({
  linked: z.literal(true),
  id: z.uuid(),
  position: z.number().int(),
  format: SourceFormatId.nullable(),
  virtualSize: z.number(),
  /** Bytes that it takes on its host; null: not told. */
  storedSize: z.number().nullable(),
});
export type LinkedDisk = z.infer<typeof LinkedDisk>;

export const ImageDisk = z.discriminatedUnion("linked", [StoredDisk, LinkedDisk]);
export type ImageDisk = z.infer<typeof ImageDisk>;

/** Disks of a VM that a deploy reads from their host while it runs. */
export const LinkedSource = z.object({
  kind: z.literal("linked"),
  hostId: z.uuid(),
  hostName: z.string(),
  vmRef: z.string(),
  vmName: z.string(),
  /** The host's word for the guest. */
  guestOs: z.string().nullable(),
  /** In the order of the version's disks. `id` is the VM's own for it. */
  disks: z.array(z.object({ id: z.string(), label: z.string() })),
});
export type LinkedSource = z.infer<typeof LinkedSource>;

export const ImageSource = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("upload"), fileName: z.string() }),
  z.object({ kind: z.literal("folder"), path: z.string() }),
  z.object({ kind: z.literal("url"), url: z.string() }),
  z.object({
    kind: z.literal("capture"),
    hostName: z.string(),
    vmName: z.string(),
    /** In words: the disk's label, or those of all. */
    disk: z.string(),
    /** Each disk with a file of its own, in the order of the machine, the one that it starts from first. */
    disks: z.array(z.object({ label: z.string(), fileName: z.string() })).optional(),
    /** The host packed the whole machine. */
    package: ContainerKind.optional(),
  }),
  LinkedSource,
]);
export type ImageSource = z.infer<typeof ImageSource>;

export const ImageVersion = z.object({
  id: z.uuid(),
  number: z.number().int(),
  state: z.enum(["receiving", "analysing", "ready", "failed"]),
  error: ErrorView.nullable(),
  source: ImageSource,
  hints: HardwareHints,
  disks: z.array(ImageDisk),
  jobId: z.uuid().nullable(),
  createdAt: z.string(),
  createdBy: z.string(),
  /** Why its files could not be read when the library was last compared with the database, a sentence each. */
  faults: z.array(z.string()),
});
export type ImageVersion = z.infer<typeof ImageVersion>;

/** Whether a version is offered for deploy: analysed, and its files are there. */
export const deployable = ({ state, faults }: Pick<ImageVersion, "state" | "faults">): boolean =>
  state === "ready" && faults.length === 0;

export const Image = z.object({
  id: z.uuid(),
  name: z.string(),
  description: z.string(),
  createdAt: z.string(),
  createdBy: z.string(),
  /** Newest ready version, else the newest. */
  latest: ImageVersion,
  versionCount: z.number().int(),
});
export type Image = z.infer<typeof Image>;

export const ImageDetail = Image.extend({ versions: z.array(ImageVersion) });
export type ImageDetail = z.infer<typeof ImageDetail>;

/** Of a package with several machines, or with one in several configurations: which one is meant. */
export const MachineWish = z.object({
  machine: z.string().min(1).max(200).nullable().default(null),
  configuration: z.string().min(1).max(200).nullable().default(null),
});
export type MachineWish = z.infer<typeof MachineWish>;

/** Where a new version goes: a new image by name, or an existing one. `from` says raw where content cannot. */
const destination = {
  imageId: z.uuid().nullable().default(null),
  name: ImageName.nullable().default(null),
  from: SourceFormatId.nullable().default(null),
};
export const ImportFromFolder = z.object({ ...destination, ...MachineWish.shape, path: z.string().min(1).max(4096) });
export const ImportFromUrl = z.object({
  ...destination,
  ...MachineWish.shape,
  url: z.url({ protocol: /^https?$/ }),
  /** Hex SHA-256 of the file; checked before anything else looks at it. */
  sha256: z.string().regex(/^[0-9a-fA-F]{64}$/),
});
export const CaptureVm = z
  .object({
    ...destination,
    hostId: z.uuid(),
    vmRef: z.string().min(1),
    /** One disk, */
    diskId: z.string().min(1).optional(),
    /** or these, at one moment; neither: all disks of the machine. */
    diskIds: z.array(z.string().min(1)).min(1).max(256).optional(),
    /** The host packs the whole machine itself; one of its capabilities' packages. */
    package: ContainerKind.optional(),
  })
  .refine(({ diskId, diskIds }) => diskId === undefined || diskIds === undefined, {
    error: "Give diskId or diskIds, not both",
    path: ["diskIds"],
  })
  .refine(({ package: packed, diskId, diskIds }) => packed === undefined || (diskId ?? diskIds) === undefined, {
    error: "A package holds all disks of the machine",
    path: ["package"],
  })
  .refine(({ diskIds = [] }) => new Set(diskIds).size === diskIds.length, {
    error: "A disk is named twice",
    path: ["diskIds"],
  });
/** Without `diskIds` all disks of the VM, in its order. */
export const LinkVm = z.object({
  hostId: z.uuid(),
  vmRef: z.string().min(1),
  diskIds: z.array(z.string().min(1)).min(1).max(64).optional(),
});
export const ImageEdit = z.object({
  name: ImageName.optional(),
  description: z.string().max(4000).optional(),
  hints: HardwareHints.optional(),
});

export const FolderEntry = z.object({
  name: z.string(),
  path: z.string(),
  directory: z.boolean(),
  size: z.number().nullable(),
});
export type FolderEntry = z.infer<typeof FolderEntry>;
