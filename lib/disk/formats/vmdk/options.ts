/** What can be chosen when a VMDK is written; names are qemu-img's where it has one. */
import { z } from "zod";

export const VmdkOptions = z.strictObject({
  /**
   * monolithicSparse grows on Workstation and VirtualBox; streamOptimized is what OVF and vSphere imports take. The
   * other two are a descriptor and a file of the disk's bytes beside it: vmfs as a datastore of ESXi holds them.
   */
  subformat: z.enum(["monolithicSparse", "monolithicFlat", "vmfs", "streamOptimized"]).default("monolithicSparse"),
  adapter_type: z.enum(["ide", "buslogic", "lsilogic", "legacyESX"]).default("lsilogic"),
  hwversion: z.coerce.number().int().min(3).max(99).default(10),
  toolsversion: z.coerce.number().int().min(0).max(2_147_483_647).default(2_147_483_647),
  /** Content id, 8 hex digits; random when absent. */
  cid: z
    .string()
    .regex(/^[0-9a-fA-F]{8}$/, "A CID has 8 hexadecimal digits")
    .refine((cid) => !/^f{8}$/i.test(cid), "ffffffff means that there is no parent and cannot be a CID")
    .optional(),
  /** What guests of vSphere see as the disk's serial number; random when absent. */
  uuid: z
    .string()
    .regex(/^[0-9a-fA-F](?:[ -]?[0-9a-fA-F]){31}$/, "A UUID has 32 hexadecimal digits")
    .optional(),
  /** Tells ESXi that the disk is thin: zeros take no room on its datastore. */
  thin: z.union([z.boolean(), z.stringbool()]).default(false),
  /** Of streamOptimized: 1 is fast, 9 is small. When absent, the level that is as small as other programs' files. */
  compression_level: z.coerce.number().int().min(1).max(9).optional(),
});
export type VmdkOptions = z.infer<typeof VmdkOptions>;
