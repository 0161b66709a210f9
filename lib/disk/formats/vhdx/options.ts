/** What can be chosen when a VHDX is written; names are qemu-img's. */
import { z } from "zod";
import { MAX_BLOCK_BYTES, MIN_BLOCK_BYTES } from "./layout.ts";

export const VhdxOptions = z.strictObject({
  subformat: z.enum(["dynamic", "fixed"]).default("dynamic"),
  /** Bytes, a power of two from 1 to 256 MiB; 0 chooses by the disk's size. */
  block_size: z.coerce
    .number()
    .refine((n) => n === 0 || (n >= MIN_BLOCK_BYTES && n <= MAX_BLOCK_BYTES && Number.isInteger(Math.log2(n))), {
      message: "block_size is a power of two from 1048576 to 268435456, or 0",
    })
    .default(0),
  /** Of the disk, as its guest sees it: 512, or 4096 as on native 4K disks. The physical sectors always have 4096. */
  logical_sector_size: z.coerce
    .number()
    .refine((n): n is 512 | 4096 => n === 512 || n === 4096, "logical_sector_size is 512 or 4096")
    .default(512),
});
export type VhdxOptions = z.infer<typeof VhdxOptions>;
