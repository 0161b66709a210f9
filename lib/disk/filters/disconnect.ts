/** A peer that goes away in the middle: the line is cut after so many bytes, and stays cut. */
import type { BlockSource } from "../block-source.ts";
import type { DiskStream } from "../disk-stream.ts";
import type { ByteSource } from "../io.ts";
import { replaceMethod } from "./replace-method.ts";

/** Reads until `bytes` have come; the one that crosses it, and each after it, throws `error`. */
export function disconnectReads<T extends ByteSource | BlockSource>(source: T, bytes: number, error: Error): T {
  let left = bytes;
  const read: ByteSource["read"] = async (at, into, signal) => {
    left -= into.length;
    if (left < 0) throw error;
    await source.read(at, into, signal);
  };
  return replaceMethod<ByteSource | BlockSource, "read">(source, "read", read) as T;
}

/** Pieces until `bytes` have come, the last one whole. */
export function disconnectStream<T extends DiskStream>(stream: T, bytes: number, error: Error): T {
  async function* pieces(signal?: AbortSignal) {
    let left = bytes;
    for await (const piece of stream.pieces(signal)) {
      left -= piece.bytes.length;
      if (left < 0) throw error;
      yield piece;
    }
    throw error;
  }
  return replaceMethod<DiskStream, "pieces">(stream, "pieces", pieces) as T;
}

/** Bytes of a file or a pipe until `bytes` have come. */
export async function* disconnectBytes(
  input: AsyncIterable<Uint8Array>,
  bytes: number,
  error: Error,
): AsyncIterable<Uint8Array> {
  let left = bytes;
  for await (const chunk of input) {
    if (chunk.length > left) {
      if (left > 0) yield chunk.subarray(0, left);
      throw error;
    }
    left -= chunk.length;
    yield chunk;
  }
}
