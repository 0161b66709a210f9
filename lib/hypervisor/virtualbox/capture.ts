/** The disk of a VM as it is now: its chain read where it lies, or else a merged copy that VirtualBox makes. */
import { createHash } from "node:crypto";
import type { Vm } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import type { HostDisk, ResourceRef } from "../adapter.ts";
import { openChain } from "../chain-files.ts";
import { pathsOf, placeOf } from "./host-paths.ts";
import type { VirtualBoxHost } from "./host-facts.ts";
import { mediumOf } from "./map-vm.ts";
import type { MachineInfo } from "./machine-readable.ts";
import { chainOf, readMedia, type Media, type Medium } from "./media.ts";
import { asAppError } from "./vbox-error.ts";
import type { VBoxManage } from "./vboxmanage.ts";

/** A copy of a large disk takes hours; whoever waits has a signal. */
const COPY_MS = 24 * 3600_000;

export interface Subject {
  readonly vm: Vm;
  readonly diskId: string;
  readonly info: MachineInfo;
  readonly media: Media;
}

/** Throws `disk.not-found`, `vm.running`, `disk.cannot-capture`. */
function chainOfSubject({ vm, diskId, info, media }: Subject): readonly Medium[] {
  const disk = vm.disks.find((each) => each.id === diskId);
  if (disk === undefined) throw new AppError("not-found", "disk.not-found", `${vm.name} has no disk “${diskId}”.`);
  if (vm.state !== "stopped" && vm.state !== "crashed") {
    throw new AppError("conflict", "vm.running", `${vm.name} is ${vm.state}: its disk changes while it is read.`, {
      hint: "Shut the VM down first.",
    });
  }
  if (disk.captureBlocker !== null) throw new AppError("unprocessable", "disk.cannot-capture", disk.captureBlocker);
  const chain = chainOf(media, mediumOf(info, diskId) ?? "");
  if (chain === null) throw new AppError("not-found", "disk.not-found", `VirtualBox knows no disk ${disk.label}.`);
  return chain;
}

/** Each disk of a capture has a copy of its own, whose name takes no more than letters and digits of the disk's. */
function scratchOf(vbox: VBoxManage, host: VirtualBoxHost, { vm, diskId }: Subject, tag: string): ResourceRef {
  const own = createHash("sha256").update(diskId).digest("hex").slice(0, 8);
  const path = pathsOf(vbox.machine.os).join(host.machineFolder, `supravisor-capture-${tag}-${own}.vdi`);
  return { kind: "disk", ref: path, label: `copy of ${diskId} of ${vm.name}` };
}

const FORMATS = new Set(["vdi", "vmdk", "vhd", "vhdx", "qcow2"]);

/** Our readers know all of its files. */
const isReadable = (chain: readonly Medium[]): boolean =>
  chain.every((medium) => medium.format !== null && FORMATS.has(medium.format));

/** Null: our readers cannot take this chain, VirtualBox can. What the host refuses is thrown. */
async function openDirectly(
  vbox: VBoxManage,
  chain: readonly Medium[],
  signal?: AbortSignal,
): Promise<HostDisk | null> {
  if (!isReadable(chain)) return null;
  try {
    return await openChain(placeOf(vbox.machine), chain, signal);
  } catch (error) {
    if (error instanceof AppError && error.code.startsWith("image.")) return null;
    throw error;
  }
}

export async function planDiskCapture(
  vbox: VBoxManage,
  host: VirtualBoxHost,
  subject: Subject,
  tag: string,
  signal?: AbortSignal,
): Promise<readonly ResourceRef[]> {
  const chain = chainOfSubject(subject);
  const direct = await openDirectly(vbox, chain, signal);
  await direct?.[Symbol.asyncDispose]();
  return direct === null ? [scratchOf(vbox, host, subject, tag)] : [];
}

export async function openCapture(
  vbox: VBoxManage,
  host: VirtualBoxHost,
  subject: Subject,
  tag: string,
  signal?: AbortSignal,
): Promise<HostDisk> {
  const chain = chainOfSubject(subject);
  const direct = await openDirectly(vbox, chain, signal);
  if (direct !== null) return direct;
  const { vm, info, diskId } = subject;
  const scratch = scratchOf(vbox, host, subject, tag);
  const doing = `Copying a disk of ${vm.name} on ${vbox.machine.name}`;
  if ((await vbox.machine.files.stat(scratch.ref, signal)) === null) {
    try {
      await vbox.runWhenFree(["clonemedium", "disk", mediumOf(info, diskId) ?? "", scratch.ref, "--format", "VDI"], {
        signal,
        timeoutMs: COPY_MS,
      });
    } catch (error) {
      throw asAppError(error, doing);
    }
  }
  const media = await readMedia(vbox, { signal });
  const copy = [...media.values()].find((medium) => medium.location === scratch.ref);
  if (copy === undefined) throw new AppError("conflict", "disk.not-found", `${doing} left nothing behind.`);
  return openChain(placeOf(vbox.machine), [copy], signal);
}
