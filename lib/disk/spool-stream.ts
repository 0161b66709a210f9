/** A disk that passes by once, kept in a sparse file so that it can be read at any place. */
import type { BlockSource } from "./block-source.ts";
import { checkedPieces } from "./checked-stream.ts";
import type { DiskStream } from "./disk-stream.ts";
import { createSpool, type SpoolPlace } from "./files/spool.ts";
import { FlatDisk } from "./flat-disk.ts";
import type { TransferProgress } from "./write-plan.ts";
import { dataParts } from "./zeros.ts";

export interface SpoolOptions {
  readonly signal?: AbortSignal;
  /** `total` is the disk's size; `moved` what was written into the file. */
  readonly onProgress?: (progress: TransferProgress) => void;
}

/** Owns the file, which has no name. Throws what the stream throws, and `io.no-space`. */
export async function spoolStream(
  stream: DiskStream,
  place: SpoolPlace,
  { signal, onProgress }: SpoolOptions,
): Promise<BlockSource & { readonly moved: number }> {
  await using spool = await createSpool(place);
  let done = 0;
  for await (const { offset, bytes } of checkedPieces(stream, signal)) {
    for (const [start, end] of dataParts(bytes, offset, 0))
      await spool.write(offset + start, bytes.subarray(start, end));
    done = stream.order === "forward" ? offset + bytes.length : done + bytes.length;
    onProgress?.({ done: Math.min(done, stream.size), total: stream.size, moved: spool.moved });
  }
  const name = "the spool file";
  const disk = new FlatDisk({ name, bytes: await spool.source(stream.size, name) }, 0, stream.size);
  return Object.assign(disk, { moved: spool.moved });
}
