/** A file of a package that is stored packed, kept unpacked while its disk is open: a disk is read here and there. */
import { createSpool, type SpoolPlace } from "../../files/spool.ts";
import type { ByteSource } from "../../io.ts";
import { bytesOf } from "../../wrappers/bytes-of.ts";
import { Meter, type StreamPacking } from "../../wrappers/packing.ts";
import { unpack } from "../../wrappers/unpack.ts";
import { dataParts } from "../../zeros.ts";

const GAP = 4096;

/**
 * Zeros become holes. The result owns its file, which has no name and goes with the process.
 * Throws `image.corrupt`, `image.truncated`, `image.unfolds-too-far`, `io.no-space`.
 */
export async function inflated(
  name: string,
  packing: StreamPacking,
  bytes: ByteSource,
  place: SpoolPlace,
  signal?: AbortSignal,
): Promise<ByteSource> {
  await using spool = await createSpool(place);
  let length = 0;
  for await (const piece of unpack(packing, bytesOf({ name, bytes }, 0, bytes.size, signal), new Meter(name), signal)) {
    for (const [from, to] of dataParts(piece, length, GAP)) await spool.write(length + from, piece.subarray(from, to));
    length += piece.length;
  }
  return await spool.source(length, name);
}
