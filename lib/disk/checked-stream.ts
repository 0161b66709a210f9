/** What a stream of a disk promises, held against what comes: pieces of peers and files that nobody vouches for. */
import { AppError } from "#lib/errors.ts";
import type { DiskPiece, DiskStream } from "./disk-stream.ts";

/** Throws `stream.past-end` and `stream.went-back`; stops at once when `signal` aborts between two pieces. */
export async function* checkedPieces(stream: DiskStream, signal?: AbortSignal): AsyncIterable<DiskPiece> {
  let end = 0;
  for await (const piece of stream.pieces(signal)) {
    signal?.throwIfAborted();
    const { offset, bytes } = piece;
    if (!Number.isSafeInteger(offset) || offset < 0 || offset + bytes.length > stream.size) {
      throw new AppError(
        "unprocessable",
        "stream.past-end",
        `The source sends byte ${offset + bytes.length} of a disk of ${stream.size} bytes.`,
        { details: { offset, size: stream.size } },
      );
    }
    if (stream.order === "forward" && offset < end) {
      throw new AppError(
        "unprocessable",
        "stream.went-back",
        `The source sends byte ${offset} of the disk after byte ${end}.`,
        { details: { offset, position: end } },
      );
    }
    end = offset + bytes.length;
    if (bytes.length > 0) yield piece;
  }
}
