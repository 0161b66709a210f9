/** Compressed clusters: deflate without a header (4 KiB window) or one zstd frame, each followed by other bytes. */
import { inflate, unzstd } from "../../codec/unpack.ts";
import { zstdFrameBytes } from "../../codec/zstd-frame.ts";
import { corrupt } from "../../image-error.ts";
import type { Compression } from "./layout.ts";

/** Fills `into`, a whole cluster. Throws `image.corrupt` unless exactly so many bytes come out. `at` is for messages. */
export async function unpack(
  name: string,
  at: number,
  packed: Uint8Array,
  compression: Compression,
  into: Uint8Array,
): Promise<void> {
  let made: number;
  try {
    made =
      compression === "zlib"
        ? await inflate(packed, into, "raw")
        : await unzstd(packed.subarray(0, zstdFrameBytes(packed)), into);
  } catch (error) {
    throw corrupt(name, at, `the compressed cluster at byte ${at} cannot be read`, error);
  }
  if (made !== into.length) {
    throw corrupt(name, at, `the compressed cluster at byte ${at} holds ${made} bytes instead of ${into.length}`);
  }
}
