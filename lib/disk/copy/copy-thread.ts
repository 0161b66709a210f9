/**
 * A thread that copies leaves: read, unpack, hash, find zeros, write or pack. All calls are synchronous, since nobody
 * waits on this thread for anything else, and the bytes stay in the core's own cache between them.
 */
import { hash } from "node:crypto";
import { writeSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { packGranule, type Packing } from "../codec/pack-granule.ts";
import { LEAF_BYTES } from "../fingerprint-tree.ts";
import { SHORTEST_GAP } from "../plan-chunks.ts";
import { dataParts, isZero } from "../zeros.ts";
import { attempt, Failed, fillLeaf } from "./fill-leaf.ts";
import type { Leaf, LeafAnswer, LeafJob } from "./leaf-job.ts";

let own = Buffer.alloc(LEAF_BYTES);

/** That of the job, or this thread's own. */
function memoryOf({ slot }: LeafJob, bytes: number): Buffer {
  if (slot !== null) return Buffer.from(slot.buffer, slot.byteOffset, slot.length);
  if (own.length < bytes) own = Buffer.alloc(bytes);
  return own.subarray(0, bytes);
}

function writeAll(fd: number, bytes: Buffer, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    const to = at + done;
    const rest = bytes.length - done;
    done += attempt("write", fd, to, rest, () => writeSync(fd, bytes, done, rest, to));
  }
}

/** Writes what goes to one place at once: neighbours in the target, with gaps that are not worth a hole. */
function write(leaf: Leaf, buffer: Buffer, target: number): number {
  let moved = 0;
  const { pieces } = leaf;
  for (let i = 0; i < pieces.length; ) {
    const first = pieces[i];
    if (first === undefined) break;
    let end = first.offset + first.length;
    i++;
    if (first.to < 0) continue;
    for (let next = pieces[i]; next !== undefined; next = pieces[i]) {
      if (next.apart || next.to - first.to !== next.offset - first.offset || next.offset - end >= SHORTEST_GAP) break;
      end = next.offset + next.length;
      i++;
    }
    const span = buffer.subarray(first.offset, end);
    for (const [from, to] of dataParts(span, first.to, SHORTEST_GAP)) {
      writeAll(target, span.subarray(from, to), first.to + from);
      moved += to - from;
    }
  }
  return moved;
}

interface Done {
  readonly moved: number;
  readonly digests: readonly (Uint8Array | null)[];
  readonly lengths: Uint32Array;
}

const NO_LENGTHS = new Uint32Array(0);

function writeLeaves(job: LeafJob, target: number): Done {
  let moved = 0;
  const digests: (Uint8Array | null)[] = [];
  const buffer = memoryOf(job, LEAF_BYTES);
  for (const leaf of job.leaves) {
    fillLeaf(leaf, buffer);
    const zero = isZero(buffer);
    // A piece of zeros only is left out of the target: what is not written there reads as zeros.
    if (!zero) moved += write(leaf, buffer, target);
    if (job.hash) digests.push(zero ? null : hash("sha256", buffer, "buffer"));
  }
  return { moved, digests, lengths: NO_LENGTHS };
}

/** Neighbours of one unit, whose other leaves are zeros. */
function packUnit(job: LeafJob, packing: Packing, out: Uint8Array): Done {
  const digests: (Uint8Array | null)[] = [];
  const unit = Math.max(LEAF_BYTES, packing.granule);
  const buffer = memoryOf(job, unit);
  const perUnit = unit / LEAF_BYTES;
  let end = 0;
  for (const leaf of job.leaves) {
    const at = (leaf.index % perUnit) * LEAF_BYTES;
    buffer.fill(0, end, at);
    end = at + LEAF_BYTES;
    const part = buffer.subarray(at, end);
    fillLeaf(leaf, part);
    if (job.hash) digests.push(isZero(part) ? null : hash("sha256", part, "buffer"));
  }
  buffer.fill(0, end);
  const lengths = new Uint32Array(unit / packing.granule);
  let moved = 0;
  for (let i = 0; i < lengths.length; i++) {
    const granule = buffer.subarray(i * packing.granule, (i + 1) * packing.granule);
    const length = packGranule(packing, granule, out.subarray(moved));
    lengths[i] = length;
    moved += length;
  }
  return { moved, digests, lengths };
}

function run(job: LeafJob): Done {
  const { work } = job;
  return work.kind === "write" ? writeLeaves(job, work.target) : packUnit(job, work.packing, work.out);
}

parentPort?.on("message", (job: LeafJob) => {
  let answer: LeafAnswer;
  try {
    answer = { id: job.id, kind: "done", ...run(job) };
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    answer = { id: job.id, kind: "failed", failure: error.failure };
  }
  parentPort?.postMessage(answer);
});
