/** Fetches the bytes of a leaf on a copy thread, by calls that have ended when they return. */
import { readSync } from "node:fs";
import { LEAF_BYTES } from "../fingerprint-tree.ts";
import type { Leaf, LeafFailure, Piece } from "./leaf-job.ts";
import { unpackPart } from "./unpack-part.ts";

/** Packed neighbours come with one read of at most so many bytes. */
const SPAN_BYTES = LEAF_BYTES + 262_144;
let span: Buffer | null = null;

export class Failed extends Error {
  readonly failure: LeafFailure;

  constructor(failure: LeafFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

export function attempt(doing: "read" | "write", fd: number, at: number, length: number, call: () => number): number {
  try {
    return call();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    throw new Failed({ doing, fd, at, length, code, message: error instanceof Error ? error.message : String(error) });
  }
}

/** Puts the leaf's bytes into `buffer`, zeros where no piece says anything. Throws `Failed`. */
export function fillLeaf(leaf: Leaf, buffer: Buffer): void {
  let end = 0;
  let fetched: Fetched | null = null;
  for (const [i, piece] of leaf.pieces.entries()) {
    const { offset, length, fd, at, packed } = piece;
    if (offset > end) buffer.fill(0, end, offset);
    end = offset + length;
    const into = buffer.subarray(offset, end);
    if (packed === null) {
      if (fd >= 0) readAll(fd, at, into);
      continue;
    }
    if (fetched === null || i >= fetched.past) fetched = fetchSpan(leaf.pieces, i);
    const from = at - fetched.at;
    try {
      const bytes = fetched.bytes.subarray(from, from + packed.size);
      unpackPart(packed.form, bytes, into, leaf.index * LEAF_BYTES + offset);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Failed({ doing: "unpack", fd, at, length: packed.size, code: "", message });
    }
  }
  buffer.fill(0, end);
}

interface Fetched {
  readonly at: number;
  readonly bytes: Buffer;
  /** Number of the first piece that it does not hold. */
  readonly past: number;
}

/** Of the packed piece `first`, and of as many after it as lie close to one another in the same file. */
function fetchSpan(pieces: readonly Piece[], first: number): Fetched {
  const { fd, at, length } = extentOf(pieces[first]);
  let end = at + length;
  let past = first + 1;
  for (; past < pieces.length; past++) {
    const next = extentOf(pieces[past]);
    const nextEnd = next.at + next.length;
    if (next.length === 0 || next.fd !== fd || next.at < at || next.at > end || nextEnd - at > SPAN_BYTES) break;
    end = Math.max(end, nextEnd);
  }
  span ??= Buffer.allocUnsafeSlow(SPAN_BYTES);
  const bytes = end - at <= SPAN_BYTES ? span.subarray(0, end - at) : Buffer.allocUnsafeSlow(end - at);
  readAll(fd, at, bytes);
  return { at, bytes, past };
}

/** Of the file; of no length when the piece is not packed. */
function extentOf(piece: Piece | undefined): { fd: number; at: number; length: number } {
  return { fd: piece?.fd ?? -1, at: piece?.at ?? 0, length: piece?.packed?.size ?? 0 };
}

function readAll(fd: number, at: number, into: Buffer): void {
  for (let done = 0; done < into.length; ) {
    const from = at + done;
    const rest = into.length - done;
    const count = attempt("read", fd, from, rest, () => readSync(fd, into, done, rest, from));
    if (count === 0) throw new Failed({ doing: "end", fd, at: from, length: rest, code: "", message: "" });
    done += count;
  }
}
