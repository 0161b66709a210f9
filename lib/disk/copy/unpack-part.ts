/** Unpacks one packed granule on this thread. */
import type { PackedForm } from "../block-source.ts";
import { inflateNow, unzstdNow } from "../codec/unpack.ts";
import { zstdFrameBytes } from "../codec/zstd-frame.ts";

const SECTOR = 512;
const GRAIN_HEAD_BYTES = 12;

/**
 * Fills `into`, which lies at byte `offset` of the disk; throws an Error that has no words for a person when the bytes
 * are not what they should be. They may be followed by others.
 */
export function unpackPart(form: PackedForm, bytes: Buffer, into: Uint8Array, offset: number): void {
  const made = unpack(form, bytes, into, offset);
  if (made !== into.length) throw new Error(`${made} bytes instead of ${into.length}`);
}

function unpack(form: PackedForm, bytes: Buffer, into: Uint8Array, offset: number): number {
  if (form === "deflate") return inflateNow(bytes, into, "raw");
  if (form === "zstd") return unzstdNow(bytes.subarray(0, zstdFrameBytes(bytes)), into);
  if (bytes.readBigUInt64LE(0) !== BigInt(offset / SECTOR)) throw new Error("another grain");
  const end = GRAIN_HEAD_BYTES + bytes.readUInt32LE(8);
  if (end > bytes.length) throw new Error("longer than it may be");
  return inflateNow(bytes.subarray(GRAIN_HEAD_BYTES, end), into, "zlib");
}
