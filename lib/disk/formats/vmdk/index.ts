/** VMDK: VMware Workstation, ESXi exports, VirtualBox, OVF packages. */
import { planLayout } from "../../block-layout.ts";
import type { DiskFormat } from "../../format.ts";
import { forwardVmdk } from "./forward.ts";
import { looksLikeDescriptor } from "./descriptor.ts";
import { MAGIC_COWD, MAGIC_HOSTED, MAGIC_SESPARSE } from "./layout.ts";
import { planFlatVmdk } from "./flat.ts";
import { openVmdk } from "./open.ts";
import { VmdkOptions } from "./options.ts";
import { layOutVmdk } from "./plan.ts";
import { referVmdk } from "./refer.ts";
import { streamVmdk } from "./stream.ts";

export const vmdk = {
  id: "vmdk",
  label: "VMDK",
  options: VmdkOptions,
  matches(head) {
    const start = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, 8));
    const magic = start.toString("latin1", 0, 4);
    // Deltas are recognised so that opening them can say what they are.
    return magic === MAGIC_HOSTED || magic === MAGIC_COWD || start.equals(MAGIC_SESPARSE) || looksLikeDescriptor(head);
  },
  open: openVmdk,
  forward: forwardVmdk,
  plan: (disk, options, signal) => planLayout(disk, layOutVmdk(disk.size, options), signal),
  planPair: planFlatVmdk,
  layOut: layOutVmdk,
  refer: referVmdk,
  stream: streamVmdk,
} satisfies DiskFormat<VmdkOptions>;
