/** Where the bytes of a leaf lie, told in a copy thread's words; and what went wrong there, told in a person's. */
import type { AppError } from "#lib/errors.ts";
import type { BlockSource, Located } from "../block-source.ts";
import { fileError } from "../files/file-error.ts";
import { shortRead } from "../files/file-source.ts";
import { LEAF_BYTES } from "../fingerprint-tree.ts";
import type { FileLender } from "./file-lender.ts";
import type { Leaf, LeafFailure, Piece } from "./leaf-job.ts";
import type { Stretch } from "./leaves.ts";

/** Pieces with fd -1 are those that no thread can fetch. */
export async function locateLeaf(
  disk: BlockSource,
  lender: FileLender,
  index: number,
  stretches: readonly Stretch[],
  signal: AbortSignal | undefined,
): Promise<Leaf> {
  const pieces: Piece[] = [];
  for (const { offset, length, to, apart } of stretches) {
    for (let done = 0; done < length; ) {
      const from = offset + done;
      const found = disk.locate?.(from, length - done, signal);
      const place = (found instanceof Promise ? await found : found) ?? {
        kind: "read" as const,
        length: length - done,
      };
      let skipped = 0;
      for (const part of partsOf(place, lender)) {
        const at = done + skipped;
        pieces.push({
          ...part,
          offset: offset + at - index * LEAF_BYTES,
          to: to < 0 ? -1 : to + at,
          apart: apart && at === 0,
        });
        skipped += part.length;
      }
      done += place.length;
    }
  }
  return { index, pieces };
}

type Part = Pick<Piece, "length" | "fd" | "at" | "packed">;

function partsOf(place: Located, lender: FileLender): readonly Part[] {
  const { kind, length } = place;
  if (kind === "zero") return [];
  if (kind === "file") return [{ length, fd: lender.hold(place.bytes)?.fd ?? -1, at: place.at, packed: null }];
  const { packed } = place;
  const held = packed === undefined ? null : lender.hold(packed.bytes);
  if (packed === undefined || held === null) return [{ length, fd: -1, at: 0, packed: null }];
  return packed.parts.map(({ length: own, at, size, whole }) => ({
    length: own,
    fd: whole ? held.fd : -1,
    at,
    packed: whole ? { form: packed.form, size } : null,
  }));
}

/** Where no thread could unpack: the same leaf, to be read by who knows the format. */
export function withoutPacked(leaf: Leaf): Leaf {
  return {
    ...leaf,
    pieces: leaf.pieces.map((piece) => (piece.packed === null ? piece : { ...piece, fd: -1, packed: null })),
  };
}

export function needsReading({ pieces }: Leaf): boolean {
  return pieces.some(({ fd }) => fd < 0);
}

/** Reads what no thread can fetch into the leaf's memory; several reads at once. All have ended when this settles. */
export async function readUnfetched(
  disk: BlockSource,
  { index, pieces }: Leaf,
  memory: Buffer,
  signal: AbortSignal | undefined,
): Promise<void> {
  const reads = pieces
    .filter(({ fd }) => fd < 0)
    .map(({ offset, length }) =>
      disk.read(index * LEAF_BYTES + offset, memory.subarray(offset, offset + length), signal),
    );
  for (const result of await Promise.allSettled(reads)) if (result.status === "rejected") throw result.reason;
}

/** `target`: the name of the file that is written. */
export function leafError(
  { doing, fd, at, length, code, message }: LeafFailure,
  lender: FileLender,
  target: string,
): AppError {
  const cause = Object.assign(new Error(message), { code });
  if (doing === "write") return fileError(cause, `Writing ${target} at byte ${at}`);
  const { name, size } = lender.whose(fd) ?? { name: "the source", size: at };
  if (doing === "end") return shortRead(name, size, at, length);
  return fileError(cause, `Reading ${name} at byte ${at}`);
}
