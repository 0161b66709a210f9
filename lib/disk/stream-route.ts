/** How a disk that passes by once gets into a file of a format: as it comes, packed on the way, or kept meanwhile. */
import { AppError } from "#lib/errors.ts";
import { growsForward } from "./append-disk.ts";
import type { BlockLayout } from "./block-layout.ts";
import type { DiskStream } from "./disk-stream.ts";
import type { DiskFormat } from "./format.ts";

export type StreamRoute =
  | { readonly way: "append"; readonly layout: BlockLayout }
  | { readonly way: "pack" }
  /** Through a spool file; `reason` in words for a person. `packs`: the file that is made then has no layout known beforehand. */
  | { readonly way: "spool"; readonly reason: string; readonly packs: boolean };

/** `options` are the format's own, parsed. `seekable`: the target takes bytes at any place. */
export function streamRoute(
  format: DiskFormat,
  options: unknown,
  { size, order }: Pick<DiskStream, "size" | "order">,
  seekable: boolean,
): StreamRoute {
  const layout = layOut(format, size, options);
  if (layout === "two files")
    return { way: "spool", reason: "a disk of two files is not written as it comes", packs: false };
  const forward = order === "forward";
  if (layout !== null && (seekable || (forward && growsForward(layout)))) return { way: "append", layout };
  if (layout === null && forward) return { way: "pack" };
  return {
    way: "spool",
    packs: layout === null,
    reason: forward
      ? `${format.label} needs to know all data of the disk before its first byte, and the target cannot be written out of order`
      : "the source sends the disk in its own order, and the target must be written from its beginning to its end",
  };
}

function layOut(format: DiskFormat, size: number, options: unknown): BlockLayout | "two files" | null {
  try {
    return format.layOut?.(size, options) ?? null;
  } catch (error) {
    if (error instanceof AppError && error.code === "image.not-plannable") return null;
    if (error instanceof AppError && error.code === "options.two-files") return "two files";
    throw error;
  }
}
