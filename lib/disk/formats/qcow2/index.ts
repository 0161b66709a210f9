import type { DiskFormat } from "../../format.ts";
import { packQcow2 } from "./compressed.ts";
import { MAGIC } from "./layout.ts";
import { openQcow2 } from "./open.ts";
import { Qcow2Options } from "./options.ts";
import { layOutQcow2, planQcow2 } from "./plan.ts";
import { referQcow2 } from "./refer.ts";

export const qcow2 = {
  id: "qcow2",
  label: "QCOW2",
  options: Qcow2Options,
  matches: (head) => head.length >= 4 && Buffer.from(head.buffer, head.byteOffset, 4).readUInt32BE(0) === MAGIC,
  open: openQcow2,
  plan: planQcow2,
  layOut: layOutQcow2,
  place: packQcow2,
  refer: referQcow2,
} satisfies DiskFormat<Qcow2Options>;
