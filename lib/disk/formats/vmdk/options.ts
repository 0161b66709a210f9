/** What can be chosen when a VMDK is written; names are qemu-img's where it has one. */
import { z } from "zod";

export const VmdkOptions = z.strictObject({
  /** monolithicSparse grows on Workstation and VirtualBox; streamOptimized is what OVF and vSphere imports take. */
  subformat: z.enum(["monolithicSparse", "streamOptimized"]).default("monolithicSparse"),
  adapter_type: z.enum(["ide", "buslogic", "lsilogic", "legacyESX"]).default("lsilogic"),
  hwversion: z.coerce.number().int().min(3).max(99).default(10),
  toolsversion: z.coerce.number().int().min(0).max(2_147_483_647).default(2_147_483_647),
  /** Content id, 8 hex digits; random when absent. */
  cid: z
    .string()
    .regex(/^[0-9a-fA-F]{8}$/, "A CID has 8 hexadecimal digits")
    .refine((cid) => !/^f{8}$/i.test(cid), "ffffffff means that there is no parent and cannot be a CID")
    .optional(),
  /** Of streamOptimized: 1 is fast, 9 is small. When absent, the level that is as small as other programs' files. */
  compression_level: z.coerce.number().int().min(1).max(9).optional(),
});
export type VmdkOptions = z.infer<typeof VmdkOptions>;
