/** Disks that are raw because their name says so. */
import { extname } from "node:path";
import { AppError } from "#lib/errors.ts";
import type { OpenedImage } from "./format.ts";
import type { ImageFile } from "./io.ts";
import { openImage, type OpenImageOptions } from "./registry.ts";

/** A person who names a file like this says that it is raw, unless its content says otherwise. */
const RAW_NAMES = new Set([".raw", ".img", ".dd"]);

export const namedRaw = (name: string): boolean => RAW_NAMES.has(extname(name).toLowerCase());

/** As `openImage`; what its content tells nothing of is raw when its name says so. */
export async function openNamed(image: ImageFile, options: OpenImageOptions): Promise<OpenedImage> {
  try {
    return await openImage(image, options);
  } catch (error) {
    const unknown = error instanceof AppError && error.code === "image.unknown-format";
    if (!unknown || options.from !== undefined || !namedRaw(image.name)) throw error;
    return openImage(image, { ...options, from: "raw" });
  }
}
