/** What can be chosen when a qcow2 is written; names and words are qemu-img's. */
import { z } from "zod";
import type { Compression } from "./layout.ts";

/** The command line makes a boolean of `off`. */
const off = (value: unknown) => (value === false ? "off" : value);

export const Qcow2Options = z
  .strictObject({
    /** Bytes, a power of two from 512 to 2 MiB. */
    cluster_size: z.coerce
      .number()
      .refine((bytes) => bytes >= 512 && bytes <= 2_097_152 && Number.isInteger(Math.log2(bytes)), {
        message: "cluster_size is a power of two from 512 to 2097152",
      })
      .default(65_536),
    /**
     * none by default: such a file can be served and sent before it exists, and a guest writes to it at full speed.
     * zstd is packed and read several times faster than zlib and is smaller; it needs QEMU 5.1. zlib is for any QEMU.
     */
    compression: z.enum(["none", "zlib", "zstd"]).optional(),
    /** qemu-img's word. There it only chooses; here it compresses as well. */
    compression_type: z.enum(["zlib", "zstd"]).optional(),
    /**
     * 1 is fast, the highest (9 for zlib, 19 for zstd) is small. When absent: zstd 3, as small as qemu-img's; zlib 4,
     * smaller than qemu-img's in a quarter of its time where libdeflate does it, about as large where zlib does.
     */
    compression_level: z.coerce.number().int().min(1).max(19).optional(),
    /** metadata: every cluster has its place in the file from the beginning, zeros are holes of the file. */
    preallocation: z.preprocess(off, z.enum(["off", "metadata"])).default("off"),
    /** Reference counts are always right in what is written here. */
    lazy_refcounts: z.preprocess(off, z.literal("off", { error: "lazy_refcounts can only be off" })).default("off"),
  })
  .superRefine((given, context) => {
    const { compression, compression_type, compression_level, preallocation } = given;
    const say = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
    if (compression_type !== undefined && compression !== undefined && compression !== compression_type) {
      say("compression_type", `compression says ${compression}`);
    }
    const chosen = compression ?? compression_type ?? "none";
    if (chosen === "none" && compression_level !== undefined) {
      say("compression_level", "there is no level without compression");
    }
    if (chosen === "zlib" && (compression_level ?? 1) > 9) say("compression_level", "zlib's levels are 1 to 9");
    if (chosen !== "none" && preallocation !== "off") {
      say("preallocation", "a compressed image has no place for a cluster before it is packed");
    }
  });
export type Qcow2Options = z.infer<typeof Qcow2Options>;

export interface ChosenPacking {
  readonly compression: Compression;
  readonly level: number;
}

/** null: not compressed. */
export function packingOf(options: Qcow2Options): ChosenPacking | null {
  const chosen = options.compression ?? options.compression_type ?? "none";
  if (chosen === "none") return null;
  return { compression: chosen, level: options.compression_level ?? (chosen === "zlib" ? 4 : 3) };
}
