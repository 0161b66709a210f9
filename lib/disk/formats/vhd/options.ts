/** What can be chosen when a VHD is written; names are qemu-img's. */
import { z } from "zod";

export const VhdOptions = z.strictObject({
  subformat: z.enum(["dynamic", "fixed"]).default("dynamic"),
});
export type VhdOptions = z.infer<typeof VhdOptions>;
