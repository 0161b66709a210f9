import type { FileHandle } from "node:fs/promises";

const PIECE = 1024 * 1024;

/** From `start` to `end`, both included. Throws when the file is shorter by now: fewer bytes are not the file. */
export async function* fileBytes(handle: FileHandle, start: number, end: number): AsyncGenerator<Uint8Array> {
  for (let at = start; at <= end; ) {
    const length = Math.min(PIECE, end + 1 - at);
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, at);
    if (bytesRead === 0) throw new Error(`the file ends at byte ${at}, before byte ${end}`);
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
