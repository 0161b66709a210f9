/** The disks of a VM at one moment, read from its host and written as qcow2 in one pass. Runs in a worker thread. */
import { join } from "node:path";
import type { BlockSource } from "#lib/disk/block-source.ts";
import { convertDisk } from "#lib/disk/convert.ts";
import { convertStream } from "#lib/disk/convert-stream.ts";
import type { DiskStream } from "#lib/disk/disk-stream.ts";
import { createFileSink } from "#lib/disk/files/file-sink.ts";
import type { HostConnection, HostSecret } from "#lib/domain/connection.ts";
import type { CapturePlan } from "#lib/hypervisor/adapter.ts";
import { lendDisk } from "#lib/hypervisor/lend-disk.ts";
import { openHost } from "#lib/hypervisor/registry.ts";
import { OWN_FILE } from "./own-modes.ts";
import { requireSpace } from "./space.ts";

export interface CaptureInput {
  readonly target: HostConnection;
  readonly secret: HostSecret | null;
  readonly dataDir: string;
  readonly vmRef: string;
  /** How the host was asked to let them be read; what it needs stands in the ledger. */
  readonly plan: CapturePlan;
  /** In the order of the version's disks. */
  readonly disks: readonly { readonly diskId: string; readonly fileName: string }[];
  /** Absolute; empty. */
  readonly folder: string;
  /** Bytes that the library can take. */
  readonly free: number;
}

export interface Captured {
  /** Of each disk as it was read from the host: its file's own must come out the same. */
  readonly fingerprints: readonly string[];
  readonly moved: number;
  /** What is to be known of the bytes, in whole sentences. */
  readonly notes: readonly string[];
}

type OnProgress = (progress: { done: number; total: number; moved: number }) => void;

/** One disk on its way, with what those before it have taken. */
interface Passage {
  readonly fileName: string;
  readonly free: number;
  readonly onProgress: OnProgress;
}

/** Throws `vm.running`, `disk.in-use`, `vm.not-found`, `host.*`, `image.*`, `library.full`. */
export async function captureImage(
  input: CaptureInput,
  signal: AbortSignal,
  onProgress: OnProgress,
): Promise<Captured> {
  await using adapter = await openHost(input.target, input.secret, { dataDir: input.dataDir, signal });
  const vm = await adapter.vm(input.vmRef, signal);
  const sizes = input.disks.map(({ diskId }) => vm.disks.find(({ id }) => id === diskId)?.capacity ?? 0);
  const fingerprints: string[] = [];
  const notes: string[] = [];
  let moved = 0;
  for (const [i, { diskId, fileName }] of input.disks.entries()) {
    const before = { done: sum(sizes.slice(0, i)), moved };
    const passage: Passage = {
      fileName,
      free: input.free - moved,
      onProgress: (now) =>
        onProgress({ done: before.done + now.done, total: sum(sizes), moved: before.moved + now.moved }),
    };
    const copied = await lendDisk(
      adapter,
      { vmRef: input.vmRef, diskId, plan: input.plan },
      async (opened) => {
        if (opened.note !== undefined) notes.push(opened.note);
        sizes[i] = opened.access === "random" ? opened.disk.size : opened.stream.size;
        return opened.access === "random"
          ? copyDisk(opened.disk, input, passage, signal)
          : copyStream(opened.stream, input, passage, signal);
      },
      signal,
    );
    fingerprints.push(copied.fingerprint);
    moved += copied.moved;
  }
  return { fingerprints, moved, notes };
}

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);

interface Copied {
  readonly fingerprint: string;
  readonly moved: number;
}

async function copyDisk(
  disk: BlockSource,
  { folder }: CaptureInput,
  { fileName, free, onProgress }: Passage,
  signal: AbortSignal,
): Promise<Copied> {
  let dataBytes = 0;
  for await (const extent of disk.extents(signal)) if (extent.kind === "data") dataBytes += extent.length;
  requireSpace(fileName, dataBytes, free);
  await using sink = await createFileSink(join(folder, fileName), { mode: OWN_FILE });
  const { fingerprint, moved } = await convertDisk({ disk, to: "qcow2", sink, signal, onProgress });
  return { fingerprint, moved };
}

/** Where its data is shows only as it passes by, so the library's room is watched meanwhile. */
async function copyStream(
  stream: DiskStream,
  { folder, plan }: CaptureInput,
  { fileName, free, onProgress }: Passage,
  signal: AbortSignal,
): Promise<Copied> {
  await using sink = await createFileSink(join(folder, fileName), { mode: OWN_FILE });
  const { fingerprint, moved } = await convertStream({
    stream,
    to: "qcow2",
    sink,
    spool: { folder, name: plan.tag },
    signal,
    onProgress: (progress) => {
      requireSpace(fileName, progress.moved, free);
      onProgress(progress);
    },
  });
  return { fingerprint, moved };
}
