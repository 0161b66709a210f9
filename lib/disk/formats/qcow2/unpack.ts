/** Compressed clusters: deflate without a header (4 KiB window) or one zstd frame, each followed by other bytes. */
import { promisify } from "node:util";
import { constants, inflateRaw, zstdDecompress } from "node:zlib";
import { corrupt } from "../../image-error.ts";
import type { Compression } from "./layout.ts";

const inflate = promisify(inflateRaw);
const unzstd = promisify(zstdDecompress);

/** The cluster's bytes. Throws `image.corrupt` unless exactly `clusterBytes` come out. `at` is for messages. */
export async function unpack(
  name: string,
  at: number,
  packed: Uint8Array,
  compression: Compression,
  clusterBytes: number,
): Promise<Uint8Array> {
  let out: Uint8Array;
  // Room for the whole cluster and a little more: one buffer, filled by one call.
  const limits = { maxOutputLength: clusterBytes, chunkSize: clusterBytes + 64 };
  try {
    out =
      compression === "zlib"
        ? // The stream's end is inside `packed`, so what follows it must not count as damage.
          await inflate(packed, { ...limits, finishFlush: constants.Z_SYNC_FLUSH })
        : await unzstd(packed.subarray(0, zstdFrameBytes(packed)), limits);
  } catch (error) {
    throw corrupt(name, at, `the compressed cluster at byte ${at} cannot be read`, error);
  }
  if (out.length !== clusterBytes) {
    throw corrupt(
      name,
      at,
      `the compressed cluster at byte ${at} holds ${out.length} bytes instead of ${clusterBytes}`,
    );
  }
  return out;
}

/** Length of the first zstd frame (RFC 8878, 3.1.1), or of all bytes when it has no end in them. */
export function zstdFrameBytes(bytes: Uint8Array): number {
  const descriptor = bytes[4] ?? 0;
  const single = Math.floor(descriptor / 32) % 2 === 1;
  const checksum = Math.floor(descriptor / 4) % 2 === 1;
  const dictionary = [0, 1, 2, 4][descriptor % 4] ?? 0;
  const content = [single ? 1 : 0, 2, 4, 8][Math.floor(descriptor / 64)] ?? 0;
  let at = 5 + (single ? 0 : 1) + dictionary + content;
  for (;;) {
    if (at + 3 > bytes.length) return bytes.length;
    const head = (bytes[at] ?? 0) + (bytes[at + 1] ?? 0) * 256 + (bytes[at + 2] ?? 0) * 65_536;
    const type = Math.floor(head / 2) % 4;
    // A run-length block has one byte, whatever size it unfolds to.
    at += 3 + (type === 1 ? 1 : Math.floor(head / 8));
    if (head % 2 === 1) return Math.min(bytes.length, at + (checksum ? 4 : 0));
  }
}
