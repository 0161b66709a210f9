/** The disk of a VM at one moment: exported while it is stopped, from a snapshot while it runs. */
import type { CapturePlan, HostDisk } from "../adapter.ts";
import { FlatDisk } from "#lib/disk/flat-disk.ts";
import type { Vm } from "#lib/domain/inventory.ts";
import { at, textAt, type Element } from "#lib/wire/soap/element.ts";
import { exportDisk } from "./export-disk.ts";
import { openFolderFile } from "./folder-file.ts";
import { datacenterOfVm, datacenterPath, type Infrastructure } from "./infrastructure.ts";
import { propertiesOf } from "./properties.ts";
import { ref, refOf } from "./ref.ts";
import { takeSnapshot } from "./snapshot.ts";
import type { VimClient } from "./vim-client.ts";
import { AppError } from "#lib/errors.ts";

export interface Capture {
  readonly vm: Vm;
  readonly devices: readonly Element[];
  readonly disk: Element;
  readonly plan: CapturePlan;
  readonly doing: string;
}

/**
 * An export needs a right and a licence of its own (the free one of ESXi has none); the files themselves may be open
 * where it is refused.
 */
const REFUSED = ["host.no-permission", "host.refused", "host.read-only"];

export async function readVmDisk(
  client: VimClient,
  infra: Infrastructure,
  capture: Capture,
  signal?: AbortSignal,
): Promise<HostDisk> {
  const { vm, devices, disk, plan, doing } = capture;
  const self = ref("VirtualMachine", vm.ref);
  if (plan.ofSnapshot) {
    const { ref: snapshot, notQuiesced } = await takeSnapshot(client, self, plan.tag, vm.tools === "running", {
      signal,
    });
    const opened = await exportDisk(client, snapshot, devices, disk, doing, signal);
    if (notQuiesced === null) return opened;
    const note = `The guest of ${vm.name} could not be told to hold still, so its disks are as after a power cut: ${notQuiesced}.`;
    return { ...opened, note };
  }
  if (vm.state !== "stopped")
    throw new AppError("conflict", "vm.running", `${vm.name} was started before its disk was read.`, {
      hint: "Capture it again: of a VM that runs a snapshot is read.",
    });
  try {
    return await exportDisk(client, self, devices, disk, doing, signal);
  } catch (error) {
    if (!(error instanceof AppError && REFUSED.includes(error.code))) throw error;
    const flat = await openFlat(client, infra, capture, signal);
    if (flat === null) throw error;
    return flat;
  }
}

/** The bytes of a disk without snapshots lie in a file beside its descriptor. Null: not so, or not open to this user. */
async function openFlat(
  client: VimClient,
  infra: Infrastructure,
  { vm, disk }: Capture,
  signal?: AbortSignal,
): Promise<HostDisk | null> {
  const backing = at(disk, "backing");
  const file = textAt(backing, "fileName") ?? "";
  if (
    backing?.type !== "VirtualDiskFlatVer2BackingInfo" ||
    at(backing, "parent") !== undefined ||
    !file.endsWith(".vmdk")
  )
    return null;
  const now = await propertiesOf(client, ref("VirtualMachine", vm.ref), ["parent", "resourcePool"], { signal });
  const center = datacenterOfVm(infra, {
    parent: refOf(now.get("parent")),
    resourcePool: refOf(now.get("resourcePool")),
  });
  const capacity = vm.disks.find((each) => each.id === textAt(disk, "key"))?.capacity ?? null;
  if (center === null || capacity === null) return null;
  const path = `${file.slice(0, -".vmdk".length)}-flat.vmdk`;
  const bytes = await openFolderFile(client, path, datacenterPath(infra, center.id), signal);
  if (bytes === null) return null;
  if (bytes.size !== capacity) {
    await bytes[Symbol.asyncDispose]();
    return null;
  }
  const flat = new FlatDisk({ name: path, bytes }, 0, capacity);
  return { access: "random", disk: flat, [Symbol.asyncDispose]: () => flat[Symbol.asyncDispose]() };
}
