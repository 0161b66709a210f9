/**
 * A thread that copies leaves: read, hash, find zeros, write. All calls are synchronous, since nobody waits on this
 * thread for anything else, and the bytes stay in the core's own cache between the four.
 */
import { hash } from "node:crypto";
import { readSync, writeSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { LEAF_BYTES } from "../fingerprint-tree.ts";
import { dataParts, isZero } from "../zeros.ts";
import { SHORTEST_GAP } from "../plan-chunks.ts";
import type { Leaf, LeafAnswer, LeafFailure, LeafJob, Piece } from "./leaf-job.ts";

const own = Buffer.alloc(LEAF_BYTES);

class Failed extends Error {
  readonly failure: LeafFailure;

  constructor(failure: LeafFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

function attempt(doing: "read" | "write", fd: number, at: number, length: number, call: () => number): number {
  try {
    return call();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    throw new Failed({ doing, fd, at, length, code, message: error instanceof Error ? error.message : String(error) });
  }
}

function readPiece({ fd, at, offset, length }: Piece, leaf: Buffer): void {
  for (let done = 0; done < length; ) {
    const from = at + done;
    const rest = length - done;
    const count = attempt("read", fd, from, rest, () => readSync(fd, leaf, offset + done, rest, from));
    if (count === 0) throw new Failed({ doing: "end", fd, at: from, length: rest, code: "", message: "" });
    done += count;
  }
}

function writeAll(fd: number, bytes: Buffer, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    const to = at + done;
    const rest = bytes.length - done;
    done += attempt("write", fd, to, rest, () => writeSync(fd, bytes, done, rest, to));
  }
}

/** Puts the leaf's bytes into `buffer`, zeros where no piece says anything. */
function fill(leaf: Leaf, buffer: Buffer): void {
  let end = 0;
  for (const piece of leaf.pieces) {
    if (piece.offset > end) buffer.fill(0, end, piece.offset);
    if (piece.fd >= 0) readPiece(piece, buffer);
    end = piece.offset + piece.length;
  }
  buffer.fill(0, end);
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

function run(job: LeafJob): LeafAnswer {
  let moved = 0;
  const digests: (Uint8Array | null)[] = [];
  const buffer = job.slot === null ? own : Buffer.from(job.slot.buffer, job.slot.byteOffset, job.slot.length);
  for (const leaf of job.leaves) {
    fill(leaf, buffer);
    const zero = isZero(buffer);
    // A piece of zeros only is left out of the target: what is not written there reads as zeros.
    if (!zero) moved += write(leaf, buffer, job.target);
    if (job.hash) digests.push(zero ? null : hash("sha256", buffer, "buffer"));
  }
  return { id: job.id, kind: "done", moved, digests };
}

parentPort?.on("message", (job: LeafJob) => {
  let answer: LeafAnswer;
  try {
    answer = run(job);
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    answer = { id: job.id, kind: "failed", failure: error.failure };
  }
  parentPort?.postMessage(answer);
});
