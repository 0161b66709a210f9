/** What can be chosen when an OVA is written. */
import { z } from "zod";

export const OvaOptions = z.strictObject({
  /** Whose words the hardware is described in: VMware's are read by VirtualBox too, the other way round they are not. */
  target: z.enum(["vmware", "virtualbox"]).default("vmware"),
  /** VMware's virtual hardware: 13 is ESXi 6.5 and Workstation 14. */
  hwversion: z.coerce.number().int().min(8).max(99).default(13),
  manifest: z.enum(["sha256", "sha1", "none"]).default("sha256"),
  /** As that of streamOptimized VMDK. */
  compression_level: z.coerce.number().int().min(1).max(9).optional(),
});
export type OvaOptions = z.infer<typeof OvaOptions>;
