/** The fingerprint of a disk that passes by once. */
import { AppError } from "#lib/errors.ts";
import type { DiskStream } from "./disk-stream.ts";
import { Fingerprinter, type FingerprintOptions } from "./fingerprint.ts";

/** For forward streams. Throws `image.not-forward` (unprocessable) when a piece goes back. */
export async function fingerprintStream(stream: DiskStream, options: FingerprintOptions = {}): Promise<string> {
  const { signal, onProgress } = options;
  const fingerprinter = new Fingerprinter(stream.size);
  let moved = 0;
  for await (const { offset, bytes } of stream.pieces(signal)) {
    signal?.throwIfAborted();
    if (offset < fingerprinter.position) {
      throw new AppError("unprocessable", "image.not-forward", `The disk goes back to byte ${offset}.`);
    }
    fingerprinter.zeros(offset - fingerprinter.position);
    fingerprinter.data(bytes);
    moved += bytes.length;
    onProgress?.({ done: fingerprinter.position, total: stream.size, moved });
  }
  const fingerprint = fingerprinter.finish();
  onProgress?.({ done: stream.size, total: stream.size, moved });
  return fingerprint;
}
