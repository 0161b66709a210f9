/** What can be chosen when a VDI is written; names are qemu-img's. */
import { z } from "zod";

export const VdiOptions = z.strictObject({
  /** All blocks in place from the beginning. Takes `on` and `off` as qemu-img does. */
  static: z.union([z.boolean(), z.stringbool()]).default(false),
});
export type VdiOptions = z.infer<typeof VdiOptions>;
