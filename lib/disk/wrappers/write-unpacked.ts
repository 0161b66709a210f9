/** Unpacked bytes into a file, with holes where they are zeros. */
import type { ByteSink } from "../io.ts";
import { dataParts } from "../zeros.ts";
import type { UnpackedFile } from "./open-packed.ts";

/** Zeros shorter than this are written with the data around them. */
const GAP = 65_536;

/** Writes and commits `sink`. `onBytes`: bytes that were written so far. Answers the file's length. */
export async function writeUnpacked(
  file: UnpackedFile,
  sink: ByteSink,
  onBytes: (written: number) => void,
  signal?: AbortSignal,
): Promise<number> {
  let at = 0;
  let written = 0;
  for await (const bytes of file.bytes) {
    signal?.throwIfAborted();
    for (const [start, end] of dataParts(bytes, at, GAP)) {
      await sink.write(at + start, bytes.subarray(start, end), signal);
      written += end - start;
    }
    at += bytes.length;
    onBytes(written);
  }
  await sink.commit(at, signal);
  return at;
}
