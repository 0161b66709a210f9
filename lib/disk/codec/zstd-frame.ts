/** Where a zstd frame ends: in images, other bytes follow. */

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
