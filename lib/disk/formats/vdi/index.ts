/** VDI: VirtualBox's own. */
import { planLayout } from "../../block-layout.ts";
import type { DiskFormat } from "../../format.ts";
import { AT, SIGNATURE } from "./layout.ts";
import { openVdi } from "./open.ts";
import { VdiOptions } from "./options.ts";
import { layOutVdi } from "./plan.ts";

export const vdi = {
  id: "vdi",
  label: "VDI",
  options: VdiOptions,
  matches: (head) =>
    head.length >= AT.version &&
    Buffer.from(head.buffer, head.byteOffset, head.length).readUInt32LE(AT.signature) === SIGNATURE,
  open: openVdi,
  plan: (disk, options, signal) => planLayout(disk, layOutVdi(disk.size, options), signal),
  layOut: layOutVdi,
} satisfies DiskFormat<VdiOptions>;
