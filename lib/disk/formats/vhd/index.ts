/** VHD: Hyper-V, Azure, XenServer, Virtual PC. */
import { planLayout } from "../../block-layout.ts";
import type { DiskFormat } from "../../format.ts";
import { COOKIE_FOOTER, FOOTER_BYTES, paddedFooterAt } from "./layout.ts";
import { forwardVhd, openVhd } from "./open.ts";
import { VhdOptions } from "./options.ts";
import { layOutVhd } from "./plan.ts";

export const vhd = {
  id: "vhd",
  label: "VHD",
  options: VhdOptions,
  matches(head, tail) {
    const cookieAt = (bytes: Uint8Array, at: number) =>
      at >= 0 &&
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1", at, at + 8) === COOKIE_FOOTER;
    // Old Virtual PC: 511 bytes.
    return cookieAt(head, 0) || cookieAt(tail, tail.length - FOOTER_BYTES + 1) || paddedFooterAt(tail) !== null;
  },
  open: openVhd,
  forward: forwardVhd,
  plan: (disk, options, signal) => planLayout(disk, layOutVhd(disk.size, options), signal),
  layOut: layOutVhd,
} satisfies DiskFormat<VhdOptions>;
