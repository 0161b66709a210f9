/** Small bounded reads of a disk or of one partition on it. */
import type { BlockSource } from "#lib/disk/block-source.ts";

export interface Window {
  /** Bytes. */
  readonly size: number;
  /** Exactly `length` bytes; null where that would be past the end. */
  read(offset: number, length: number): Promise<Buffer | null>;
}

/** No single read of guest inspection needs more. */
const MOST = 4 * 1024 * 1024;

/** Bytes [start, start+length) of the disk; never beyond them, whatever a hostile table says. */
export function windowOf(disk: BlockSource, start: number, length: number, signal?: AbortSignal): Window {
  const size = Math.max(0, Math.min(length, disk.size - start));
  return {
    size,
    async read(offset, wanted) {
      if (!Number.isSafeInteger(offset) || offset < 0 || wanted < 0 || wanted > MOST || offset + wanted > size)
        return null;
      const buffer = Buffer.alloc(wanted);
      await disk.read(start + offset, buffer, signal);
      return buffer;
    },
  };
}

/** Part of a window, by the same rules. */
export function within(outer: Window, start: number, length: number): Window {
  const size = Math.max(0, Math.min(length, outer.size - start));
  return {
    size,
    read: (offset, wanted) =>
      offset < 0 || offset + wanted > size ? Promise.resolve(null) : outer.read(start + offset, wanted),
  };
}

/** A 64-bit little-endian number, or null when it is beyond what a disk can be. */
export function u64(buffer: Buffer, offset: number): number | null {
  const value = buffer.readBigUInt64LE(offset);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : null;
}

/** The same, big-endian. */
export function u64be(buffer: Buffer, offset: number): number | null {
  const value = buffer.readBigUInt64BE(offset);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : null;
}
