/** The fingerprint of a disk that passes by once, in whatever order it comes. */
import { checkedPieces } from "./checked-stream.ts";
import type { DiskStream } from "./disk-stream.ts";
import { createSpool, type Spool, type SpoolPlace } from "./files/spool.ts";
import { AnyOrderFingerprinter } from "./fingerprint-any-order.ts";
import { Fingerprinter, type FingerprintOptions } from "./fingerprint.ts";

export interface FingerprintStreamOptions extends FingerprintOptions {
  /** Where parts of a disk may wait that come too scattered to be kept in memory. */
  readonly spool: SpoolPlace;
}

/** Throws `stream.*` for pieces that cannot be, and what the stream throws. */
export async function fingerprintStream(stream: DiskStream, options: FingerprintStreamOptions): Promise<string> {
  const { signal, onProgress } = options;
  const total = stream.size;
  let moved = 0;
  let fingerprint: string;
  if (stream.order === "forward") {
    const inOrder = new Fingerprinter(total);
    for await (const { offset, bytes } of checkedPieces(stream, signal)) {
      inOrder.zeros(offset - inOrder.position);
      inOrder.data(bytes);
      moved += bytes.length;
      onProgress?.({ done: inOrder.position, total, moved });
    }
    fingerprint = inOrder.finish();
  } else {
    let spool: Spool | null = null;
    try {
      const anyOrder = new AnyOrderFingerprinter(total, async () => (spool ??= await createSpool(options.spool)));
      for await (const { offset, bytes } of checkedPieces(stream, signal)) {
        await anyOrder.data(offset, bytes);
        moved += bytes.length;
        onProgress?.({ done: moved, total, moved });
      }
      fingerprint = await anyOrder.finish();
    } finally {
      await (spool as Spool | null)?.[Symbol.asyncDispose]();
    }
  }
  onProgress?.({ done: total, total, moved });
  return fingerprint;
}
