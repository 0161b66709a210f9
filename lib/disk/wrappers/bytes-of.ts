import { requireBytes, type NamedBytes } from "../fields.ts";

const CHUNK = 262_144;

/** A part of a file from front to back, in buffers of their own. Throws `image.truncated` unless all of it is there. */
export async function* bytesOf(
  file: NamedBytes,
  from: number,
  length: number,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  requireBytes(file, from, length, "its packed content");
  for (let at = from, end = from + length; at < end; ) {
    const bytes = Buffer.allocUnsafe(Math.min(CHUNK, end - at));
    await file.bytes.read(at, bytes, signal);
    yield bytes;
    at += bytes.length;
  }
}
