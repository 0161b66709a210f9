/** The disk of a VM at one moment, read from its host and written as qcow2 in one pass. Runs in a worker thread. */
import { join } from "node:path";
import type { BlockSource } from "#lib/disk/block-source.ts";
import { convertDisk } from "#lib/disk/convert.ts";
import { convertStream } from "#lib/disk/convert-stream.ts";
import type { DiskStream } from "#lib/disk/disk-stream.ts";
import { createFileSink } from "#lib/disk/files/file-sink.ts";
import type { HostConnection, HostSecret } from "#lib/domain/connection.ts";
import { canCapture } from "#lib/domain/vm-rules.ts";
import { AppError } from "#lib/errors.ts";
import type { HypervisorAdapter } from "#lib/hypervisor/adapter.ts";
import { openHost } from "#lib/hypervisor/registry.ts";
import { requireSpace } from "./space.ts";

export interface CaptureInput {
  readonly target: HostConnection;
  readonly secret: HostSecret | null;
  readonly dataDir: string;
  readonly vmRef: string;
  readonly diskId: string;
  /** Names what reading makes on the host. */
  readonly tag: string;
  /** What is read is a snapshot: the VM itself may run on. */
  readonly ofSnapshot: boolean;
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
  await requireCapturable(adapter, input, signal);
  await using opened = await adapter.openDisk(input.vmRef, input.diskId, input.tag, signal);
  const captured =
    opened.access === "random"
      ? await copyDisk(opened.disk, input, signal, onProgress)
      : await copyStream(opened.stream, input, signal, onProgress);
  // Somebody may have started it meanwhile; then what was read is of two moments. A snapshot stays as it is.
  if (!input.ofSnapshot) await requireCapturable(adapter, input, signal, false);
  return captured;
}

async function copyDisk(
  disk: BlockSource,
  input: CaptureInput,
  signal: AbortSignal,
  onProgress: OnProgress,
): Promise<Captured> {
  let dataBytes = 0;
  for await (const extent of disk.extents(signal)) if (extent.kind === "data") dataBytes += extent.length;
  requireSpace(input.fileName, dataBytes, input.free);
  await using sink = await createFileSink(join(input.folder, input.fileName));
  const { fingerprint, moved } = await convertDisk({ disk, to: "qcow2", sink, signal, onProgress });
  return { fingerprint, moved };
}

/** Where its data is shows only as it passes by, so the library's room is watched meanwhile. */
async function copyStream(
  stream: DiskStream,
  input: CaptureInput,
  signal: AbortSignal,
  onProgress: OnProgress,
): Promise<Captured> {
  await using sink = await createFileSink(join(input.folder, input.fileName));
  const { fingerprint, moved } = await convertStream({
    stream,
    to: "qcow2",
    sink,
    spool: { folder: input.folder, name: input.tag },
    signal,
    onProgress: (progress) => {
      requireSpace(input.fileName, progress.moved, input.free);
      onProgress(progress);
    },
  });
  return { fingerprint, moved };
}

async function requireCapturable(
  adapter: HypervisorAdapter,
  input: CaptureInput,
  signal: AbortSignal,
  running = adapter.capabilities.captureRunning,
): Promise<void> {
  const vm = await adapter.vm(input.vmRef, signal);
  const allowed = canCapture(vm, input.diskId, running);
  if (allowed === true) return;
  throw new AppError("conflict", "vm.running", allowed.reason, {
    hint: "Shut the VM down, and capture the disk again.",
  });
}
