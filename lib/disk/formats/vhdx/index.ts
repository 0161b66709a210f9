/** VHDX: Hyper-V. */
import type { DiskFormat } from "../../format.ts";
import { FILE_SIGNATURE } from "./layout.ts";
import { openVhdx } from "./open.ts";
import { VhdxOptions } from "./options.ts";
import { planVhdx } from "./plan.ts";

export const vhdx = {
  id: "vhdx",
  label: "VHDX",
  options: VhdxOptions,
  matches: (head) =>
    Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, 8)).toString("latin1") === FILE_SIGNATURE,
  open: openVhdx,
  plan: planVhdx,
} satisfies DiskFormat<VhdxOptions>;
