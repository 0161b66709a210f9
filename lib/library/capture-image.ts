/** The disk of a stopped VM, read from its host and written as qcow2 in one pass. Runs in a worker thread. */
import { join } from "node:path";
import { convertDisk } from "#lib/disk/convert.ts";
import { createFileSink } from "#lib/disk/files/file-sink.ts";
import { openImage } from "#lib/disk/registry.ts";
import type { HostConnection, LibvirtSecret } from "#lib/domain/connection.ts";
import { canCapture } from "#lib/domain/vm-rules.ts";
import { AppError } from "#lib/errors.ts";
import type { HypervisorAdapter } from "#lib/hypervisor/adapter.ts";
import { openHost } from "#lib/hypervisor/registry.ts";
import { requireSpace } from "./space.ts";

export interface CaptureInput {
  readonly target: HostConnection;
  readonly secret: LibvirtSecret | null;
  readonly dataDir: string;
  readonly vmRef: string;
  readonly diskId: string;
  /** Absolute; empty. */
  readonly folder: string;
  readonly fileName: string;
  /** Bytes that the library can take. */
  readonly free: number;
}

export interface Captured {
  /** Of what was read from the host: the file's own must come out the same. */
  readonly fingerprint: string;
  readonly moved: number;
}

type OnProgress = (progress: { done: number; total: number; moved: number }) => void;

/** Throws `vm.running`, `disk.in-use`, `vm.not-found`, `host.*`, `image.*`, `library.full`. */
export async function captureImage(
  input: CaptureInput,
  signal: AbortSignal,
  onProgress: OnProgress,
): Promise<Captured> {
  await using adapter = await openHost(input.target, input.secret, { dataDir: input.dataDir, signal });
  const said = await requireStill(adapter, input, signal);
  await using image = await adapter.openDisk(input.vmRef, input.diskId, signal);
  // The host's word for the format counts: a guest can write what looks like another one into its raw disk.
  await using opened = await openImage(image, { ...(said === null ? {} : { from: said }), signal });
  let dataBytes = 0;
  for await (const extent of opened.disk.extents(signal)) if (extent.kind === "data") dataBytes += extent.length;
  requireSpace(input.fileName, dataBytes, input.free);
  await using sink = await createFileSink(join(input.folder, input.fileName));
  const { fingerprint, moved } = await convertDisk({ disk: opened.disk, to: "qcow2", sink, signal, onProgress });
  // Somebody may have started it meanwhile; then what was read is of two moments.
  await requireStill(adapter, input, signal);
  return { fingerprint, moved };
}

async function requireStill(adapter: HypervisorAdapter, input: CaptureInput, signal: AbortSignal) {
  const vm = await adapter.vm(input.vmRef, signal);
  const allowed = canCapture(vm, input.diskId);
  if (allowed !== true)
    throw new AppError("conflict", "vm.running", allowed.reason, {
      hint: "Shut the VM down, and capture the disk again.",
    });
  return vm.disks.find((disk) => disk.id === input.diskId)?.format ?? null;
}
