/** What can be chosen when a VDI is written: qemu-img's `static`, or the other formats' word for the same. */
import { z } from "zod";

export const VdiOptions = z
  .strictObject({
    /** All blocks in place from the beginning. Takes `on` and `off` as qemu-img does. */
    static: z.union([z.boolean(), z.stringbool()]).optional(),
    subformat: z.enum(["dynamic", "fixed"]).optional(),
  })
  .refine(
    (given) =>
      given.static === undefined || given.subformat === undefined || given.static === (given.subformat === "fixed"),
    {
      message: "static and subformat contradict one another",
    },
  )
  .transform((given) => ({ static: given.static ?? given.subformat === "fixed" }));
export type VdiOptions = z.infer<typeof VdiOptions>;
