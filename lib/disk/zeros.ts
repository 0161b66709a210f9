/** Finding zeros in data, at the speed of memory. */

/** What one hole of a file system is worth. Bytes. */
export const ZERO_BLOCK = 4096;

const ZEROS = Buffer.alloc(65_536);

export function isZero(bytes: Uint8Array): boolean {
  // Data nearly always shows itself at once.
  if ((bytes[0] ?? 0) !== 0 || (bytes[bytes.length - 1] ?? 0) !== 0) return false;
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const end = Math.min(bytes.length, at + ZEROS.length);
    if (ZEROS.compare(bytes, at, end, 0, end - at) !== 0) return false;
  }
  return true;
}

/**
 * Parts of `bytes` worth writing, as [start, end) pairs. Cuts only at blocks of the file (`at` is where the bytes
 * go), and only around at least `gap` bytes of zeros: shorter holes cost more calls than they save.
 */
export function* dataParts(bytes: Uint8Array, at: number, gap: number): Iterable<[number, number]> {
  let start = -1;
  let end = 0;
  for (let pos = 0; pos < bytes.length; ) {
    const next = Math.min(bytes.length, pos + ZERO_BLOCK - ((at + pos) % ZERO_BLOCK));
    // Most blocks are told by an edge, before a view of them is made.
    const edge = (bytes[pos] ?? 0) !== 0 || (bytes[next - 1] ?? 0) !== 0;
    if (edge || !isZero(bytes.subarray(pos, next))) {
      if (start >= 0 && pos - end >= gap) {
        yield [start, end];
        start = pos;
      }
      if (start < 0) start = pos;
      end = next;
    }
    pos = next;
  }
  if (start >= 0) yield [start, end];
}
