/** Raw: the file is the disk. Nothing in its content says so, so it is never detected. */
import { z } from "zod";
import { FlatDisk } from "../../flat-disk.ts";
import type { DiskFormat } from "../../format.ts";
import { planRaw } from "./plan.ts";

const RawOptions = z.strictObject({});
type RawOptions = z.infer<typeof RawOptions>;

export const raw = {
  id: "raw",
  label: "Raw",
  options: RawOptions,
  matches: () => false,
  async open(image) {
    const disk = new FlatDisk(image, 0, image.bytes.size);
    return {
      facts: {
        format: "raw",
        variant: image.bytes.allocated === undefined ? "flat" : "sparse",
        virtualSize: disk.size,
        files: [image.name],
        details: {},
        notes:
          disk.size % 512 === 0
            ? []
            : [`The size is not a multiple of 512 bytes; some hosts will round ${disk.size} bytes up.`],
      },
      disk,
      [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
    };
  },
  plan: (disk, _options, signal) => planRaw(disk, signal),
} satisfies DiskFormat<RawOptions>;
