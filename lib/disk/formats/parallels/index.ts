/** Parallels HDD: Parallels Desktop, Virtuozzo. Read only. */
import type { ImageFormat } from "../../format.ts";
import { looksLikeDescriptor } from "./descriptor.ts";
import { HEADER_BYTES, MAGIC_BLOCKS, MAGIC_SECTORS } from "./expanding.ts";
import { openParallels } from "./open.ts";

export const parallels = {
  id: "parallels",
  label: "Parallels HDD",
  matches(head) {
    const magic = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, 16)).toString("latin1");
    return (
      (head.length >= HEADER_BYTES && (magic === MAGIC_SECTORS || magic === MAGIC_BLOCKS)) || looksLikeDescriptor(head)
    );
  },
  open: openParallels,
} satisfies ImageFormat;
