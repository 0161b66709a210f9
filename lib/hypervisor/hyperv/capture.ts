/**
 * Where a disk's bytes are to be read. A machine that is off lends its file; of one that runs a checkpoint is made, and
 * the file that it froze is read. What lies in a chain of checkpoints is merged by the host into one file first.
 */
import { createHash } from "node:crypto";
import type { DiskStream } from "#lib/disk/disk-stream.ts";
import type { Vm, VmDisk } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import { type CimRef, number, text } from "#lib/wire/wsman/cim.ts";
import type { CapturePlan, ResourceRef } from "../adapter.ts";
import { type HypervSession, V2 } from "./session.ts";
import { setting } from "./setting.ts";
import { type CaptureSnapshots, planSnapshot } from "./snapshots.ts";

const IMAGES_CLASS = "Msvm_ImageManagementService";
const IMAGES: CimRef = { namespace: V2, className: IMAGES_CLASS, keys: { CreationClassName: IMAGES_CLASS } };

/** Type and Format of Msvm_VirtualHardDiskSettingData. */
const DYNAMIC = 3;
const VHDX = 3;

/** What one disk needs, by the path of the file that is read. */
export interface DiskNeeds {
  /** One file instead of a chain. */
  readonly merged: ResourceRef | null;
  /** Path that the names of the two small files of a transfer begin with. */
  readonly keys: ResourceRef;
}

/** Of one machine. Source: "Plan for Hyper-V scalability in Windows Server". */
const MOST_CHECKPOINTS = 50;

const isChained = (path: string): boolean => /\.avhdx?$/i.test(path);

/** Throws `disk.not-found`, `disk.cannot-capture`. */
export function diskOf(vm: Vm, diskId: string): VmDisk & { readonly source: string } {
  const disk = vm.disks.find((each) => each.id === diskId);
  if (disk?.source == null) throw new AppError("not-found", "disk.not-found", `${vm.name} has no disk “${diskId}”.`);
  if (disk.captureBlocker !== null) throw new AppError("unprocessable", "disk.cannot-capture", disk.captureBlocker);
  return { ...disk, source: disk.source };
}

/** Of a machine in these states the disks stand still. */
export const isStill = ({ state }: Pick<Vm, "state">): boolean =>
  state === "stopped" || state === "suspended" || state === "crashed";

/**
 * `inPlace`: what is read where it lies leaves nothing beside it. `state`: of the machine, by `stateOf`. Throws `disk.not-found`, `disk.cannot-capture`,
 * `vm.no-snapshot`.
 */
export function planCapture(
  vm: Vm,
  diskIds: readonly string[],
  tag: string,
  { inPlace, state }: { readonly inPlace: boolean; readonly state: string },
): CapturePlan {
  const disks = diskIds.map((diskId) => diskOf(vm, diskId));
  if (vm.state === "running" && vm.snapshots.length >= MOST_CHECKPOINTS)
    throw new AppError(
      "unprocessable",
      "vm.no-snapshot",
      `${vm.name} has ${vm.snapshots.length} checkpoints, and may have no more.`,
      {
        hint: "Remove some of them, or shut the machine down and capture it then.",
      },
    );
  const ofSnapshot = !isStill(vm);
  const needs = (inPlace ? [] : disks).map((disk) => needsOf(vm, disk, disk.source, tag));
  const resources = [
    ...needs.map(({ keys }) => keys),
    ...(ofSnapshot ? [planSnapshot(vm.ref, vm.name, tag)] : []),
    ...needs.flatMap(({ merged }) => (merged === null ? [] : [merged])),
  ];
  const marks = ofSnapshot ? {} : Object.fromEntries(diskIds.map((diskId) => [diskId, state]));
  return { tag, ofSnapshot, resources, marks };
}

/** `path`: of the file that is read, which the checkpoint froze when there is one. */
export function needsOf(vm: Vm, disk: Pick<VmDisk, "id" | "label">, path: string, tag: string): DiskNeeds {
  const own = createHash("sha256").update(disk.id).digest("hex").slice(0, 8);
  const base = `${path.slice(0, path.lastIndexOf("\\"))}\\supravisor-${tag}-${own}`;
  return {
    merged: isChained(path)
      ? { kind: "disk", ref: `${base}.vhdx`, label: `the merged copy of ${disk.label} of ${vm.name}` }
      : null,
    keys: { kind: "disk", ref: base, label: `the transfer of ${disk.label} of ${vm.name}` },
  };
}

/**
 * Nothing is made that the ledger does not name. Throws `vm.changed` when a checkpoint came between plan and reading: of
 * the machine's own, or of whoever else makes them.
 */
export function requirePlanned(vm: Vm, plan: CapturePlan, needs: DiskNeeds): void {
  const planned = new Set(plan.resources.map(({ ref }) => ref));
  if ([needs.keys, ...(needs.merged === null ? [] : [needs.merged])].every(({ ref }) => planned.has(ref))) return;
  throw new AppError("conflict", "vm.changed", `A checkpoint of ${vm.name} was made before its disk could be read.`, {
    hint: "Backup programs and Windows itself make them. Capture the VM again once that has ended.",
  });
}

/** The host merges the chain that ends in `from` into a file of its own. */
export async function mergeChain(
  session: HypervSession,
  from: string,
  to: string,
  signal?: AbortSignal,
): Promise<void> {
  await session.invoke(
    IMAGES,
    "ConvertVirtualHardDisk",
    {
      SourcePath: from,
      VirtualDiskSettingData: setting("Msvm_VirtualHardDiskSettingData", { Path: to, Type: DYNAMIC, Format: VHDX }),
    },
    `Merging ${from}`,
    signal,
  );
}

/** State and the time of its last change, which is another one once the machine was started. Throws `vm.not-found`. */
export async function stateOf(session: HypervSession, vm: Vm, signal?: AbortSignal): Promise<string> {
  const wql = `SELECT Name, EnabledState, TimeOfLastStateChange FROM Msvm_ComputerSystem WHERE Name = '${vm.ref}'`;
  const [machine] = await session.query(V2, wql, `Reading a disk of ${vm.name}`, signal);
  if (machine === undefined)
    throw new AppError("not-found", "vm.not-found", `${vm.name} was removed while its disk was read.`, {
      hint: "Nothing of the unfinished copy is kept.",
    });
  return `${number(machine, "EnabledState")} ${text(machine, "TimeOfLastStateChange")}`;
}

/**
 * Answers what tells, when all has been read, whether it was of one moment: throws `vm.running` when a machine that was
 * off was started meanwhile, `vm.not-found` when it was removed, `disk.not-found` when its checkpoint was.
 */
export async function watchOver(
  session: HypervSession,
  snapshots: CaptureSnapshots,
  vm: Vm,
  plan: CapturePlan,
  signal?: AbortSignal,
): Promise<() => Promise<void>> {
  const doing = `Reading a disk of ${vm.name}`;
  const state = () => stateOf(session, vm, signal);
  const before = await state();
  return async () => {
    const now = await state();
    if (!plan.ofSnapshot && now !== before)
      throw new AppError("conflict", "vm.running", `${vm.name} was started while its disk was read.`, {
        hint: "Leave it switched off until its disk has been read, or capture it while it runs.",
      });
    if (plan.ofSnapshot && (await snapshots.find(vm.ref, plan.tag, doing, signal)) === undefined)
      throw new AppError(
        "conflict",
        "disk.not-found",
        `The checkpoint of ${vm.name} was removed while its disk was read.`,
        {
          hint: "Nothing of the unfinished copy is kept.",
        },
      );
  };
}

/** The stream, and `check` before its end is told. */
export function checked(stream: DiskStream, check: () => Promise<void>): DiskStream {
  return {
    size: stream.size,
    order: stream.order,
    async *pieces(signal) {
      yield* stream.pieces(signal);
      await check();
    },
    [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose](),
  };
}
