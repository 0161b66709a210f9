/** Finds the one file of this machine in which a whole disk lies byte for byte. */
import type { BlockSource } from "../block-source.ts";

export interface FlatFile {
  readonly path: string;
  /** Where in it the disk begins. */
  readonly at: number;
  /** Of the disk. Bytes. */
  readonly size: number;
  /** Of the file. Bytes. */
  readonly fileBytes: number;
}

/** A disk in so many pieces of one file, all in order, is still asked for; one in more is taken to be scattered. */
const MOST_PIECES = 100_000;

/** null when it lies in several files, out of order, packed, with holes that only a table knows, or not here. */
export async function flatFile(disk: BlockSource, signal?: AbortSignal): Promise<FlatFile | null> {
  let found: FlatFile | null = null;
  let pieces = 0;
  for (let offset = 0; offset < disk.size; ) {
    signal?.throwIfAborted();
    const place = await disk.locate?.(offset, disk.size - offset, signal);
    if (place?.kind !== "file" || place.bytes.path === undefined || ++pieces > MOST_PIECES) return null;
    found ??= { path: place.bytes.path, at: place.at, size: disk.size, fileBytes: place.bytes.size };
    if (place.bytes.path !== found.path || place.at !== found.at + offset) return null;
    offset += place.length;
  }
  return found;
}
