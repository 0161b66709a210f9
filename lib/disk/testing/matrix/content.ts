/** What is in a file, whatever holes the file system made of its zeros. */
import { createHash } from "node:crypto";
import { openImageFile } from "../../files/image-file.ts";

const PAGE = 4096;
const STEP = 64 * PAGE;
const ZEROS = Buffer.alloc(STEP);

/** The same for the same bytes. Holes are not read. */
export async function contentDigest(path: string): Promise<string> {
  await using image = await openImageFile(path);
  const { bytes } = image;
  const hash = createHash("sha256").update(`${bytes.size}`);
  const buffer = Buffer.allocUnsafe(STEP);
  for await (const { offset, length } of bytes.allocated?.() ?? [{ offset: 0, length: bytes.size }]) {
    // Extents may begin and end within pages.
    for (let at = Math.floor(offset / PAGE) * PAGE; at < offset + length; at += STEP) {
      const part = buffer.subarray(0, Math.min(STEP, bytes.size - at, Math.ceil((offset + length - at) / PAGE) * PAGE));
      await bytes.read(at, part);
      for (let i = 0; i < part.length; i += PAGE) {
        const page = part.subarray(i, i + PAGE);
        if (!page.equals(ZEROS.subarray(0, page.length))) hash.update(`@${at + i}`).update(page);
      }
    }
  }
  return hash.digest("hex");
}
