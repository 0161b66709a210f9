/** A whole VM as its host packs it, written into the library as it comes. Runs in a worker thread. */
import { join } from "node:path";
import { createFileSink } from "#lib/disk/files/file-sink.ts";
import type { HostConnection, HostSecret } from "#lib/domain/connection.ts";
import { CONTAINER_LABEL, type ContainerKind } from "#lib/domain/container.ts";
import { AppError } from "#lib/errors.ts";
import type { CapturePlan } from "#lib/hypervisor/adapter.ts";
import { requireCapturable, requireUnchanged } from "#lib/hypervisor/require-capturable.ts";
import { openHost } from "#lib/hypervisor/registry.ts";
import { OWN_FILE } from "./own-modes.ts";
import { requireSpace } from "./space.ts";

export interface PackageInput {
  readonly target: HostConnection;
  readonly secret: HostSecret | null;
  readonly dataDir: string;
  readonly vmRef: string;
  readonly kind: ContainerKind;
  /** Of all disks. */
  readonly plan: CapturePlan;
  /** Absolute; empty. */
  readonly folder: string;
  readonly fileName: string;
  /** Bytes that the library can take. */
  readonly free: number;
}

/** Exports arrive in pieces of some kilobytes; the file is written in these. Bytes. */
const BLOCK = 1_048_576;

/** Throws `vm.running`, `vm.not-found`, `host.*`, `library.full`. The file gets its name when the host has said that it is whole. */
export async function capturePackage(
  input: PackageInput,
  signal: AbortSignal,
  onProgress: (progress: { done: number; total: number; moved: number }) => void,
): Promise<{ moved: number }> {
  const { vmRef, kind, plan, fileName, free } = input;
  await using adapter = await openHost(input.target, input.secret, { dataDir: input.dataDir, signal });
  if (adapter.packages === undefined || !adapter.capabilities.packages.includes(kind)) throw noPackages(kind);
  const vm = await requireCapturable(adapter, vmRef, null, plan, signal);
  // How long it becomes nobody says beforehand: blocks of zeros are left out of it.
  const expected = vm.disks.reduce((sum, { allocated, capacity }) => sum + (allocated ?? capacity ?? 0), 0);
  await using opened = await adapter.packages.open(vmRef, kind, plan, signal);
  await using sink = await createFileSink(join(input.folder, fileName), { mode: OWN_FILE });
  let moved = 0;
  for await (const block of inBlocks(opened.bytes)) {
    requireSpace(fileName, moved + block.length, free);
    await sink.write(moved, block, signal);
    moved += block.length;
    onProgress({ done: moved, total: Math.max(moved, expected), moved });
  }
  const all = vm.disks.map(({ id }) => id);
  await requireUnchanged(adapter, vmRef, all, plan, signal);
  await sink.commit(moved, signal);
  return { moved };
}

export function noPackages(kind: ContainerKind): AppError {
  return new AppError("unprocessable", "host.no-packages", `This host makes no ${CONTAINER_LABEL[kind]} of its VMs.`, {
    hint: "Capture its disks.",
  });
}

/** The same bytes in blocks of `BLOCK`; each is valid until the next is asked for. */
async function* inBlocks(pieces: AsyncIterable<Uint8Array>): AsyncIterable<Buffer> {
  const block = Buffer.alloc(BLOCK);
  let held = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + BLOCK - held);
      block.set(part, held);
      held += part.length;
      at += part.length;
      if (held < BLOCK) continue;
      yield block;
      held = 0;
    }
  }
  if (held > 0) yield block.subarray(0, held);
}
