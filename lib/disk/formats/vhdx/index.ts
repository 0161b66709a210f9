/** VHDX: Hyper-V. */
import { planLayout } from "../../block-layout.ts";
import type { DiskFormat } from "../../format.ts";
import { FILE_SIGNATURE } from "./layout.ts";
import { openVhdx } from "./open.ts";
import { VhdxOptions } from "./options.ts";
import { layOutVhdx } from "./plan.ts";

export const vhdx = {
  id: "vhdx",
  label: "VHDX",
  options: VhdxOptions,
  matches: (head) =>
    Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, 8)).toString("latin1") === FILE_SIGNATURE,
  open: openVhdx,
  plan: (disk, options, signal) => planLayout(disk, layOutVhdx(disk.size, options), signal),
  layOut: layOutVhdx,
} satisfies DiskFormat<VhdxOptions>;
