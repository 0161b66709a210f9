import { z } from "zod";
import type { DiskFormat } from "../../format.ts";
import { MAGIC } from "./layout.ts";
import { openQcow2 } from "./open.ts";
import { layOutQcow2, planQcow2 } from "./plan.ts";

const Qcow2Options = z.strictObject({
  /** Bytes, a power of two from 512 to 2 MiB. */
  cluster_size: z
    .number()
    .refine((bytes) => bytes >= 512 && bytes <= 2_097_152 && Number.isInteger(Math.log2(bytes)), {
      message: "cluster_size is a power of two from 512 to 2097152",
    })
    .default(65_536),
});
type Qcow2Options = z.infer<typeof Qcow2Options>;

export const qcow2 = {
  id: "qcow2",
  label: "QCOW2",
  options: Qcow2Options,
  matches: (head) => head.length >= 4 && Buffer.from(head.buffer, head.byteOffset, 4).readUInt32BE(0) === MAGIC,
  open: openQcow2,
  plan: (disk, options, signal) => planQcow2(disk, options.cluster_size, signal),
  layOut: (size, options) => layOutQcow2(size, options.cluster_size),
} satisfies DiskFormat<Qcow2Options>;
