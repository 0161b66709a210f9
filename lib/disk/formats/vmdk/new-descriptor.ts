/** The text that says what a new VMDK is, for VMware, VirtualBox and qemu. Source: "Virtual Disk Format 5.0". */
import { createHash, randomBytes, randomInt } from "node:crypto";
import type { VmdkOptions } from "./options.ts";

/** VMware's own prefix of a disk's serial number (NAA 6000c29). */
const SERIAL_PREFIX = "6000c29";

/** `extent`: kind, file name and what follows them. No blank line stands before it: qemu 7.2 misreads that. */
export function describeNew(options: VmdkOptions, sectors: number, extent: string): string {
  // Any number but those that mean "none".
  const cid = options.cid?.toLowerCase() ?? randomInt(1, 0xffff_fffe).toString(16).padStart(8, "0");
  // Geometry as VMware writes it: 255 heads for SCSI, 16 for IDE up to its 16,383 cylinders.
  const ide = options.adapter_type === "ide";
  const heads = ide ? 16 : 255;
  const cylinders = Math.min(Math.floor(sectors / (heads * 63)), ide ? 16_383 : 65_535);
  return [
    "# Disk DescriptorFile",
    "version=1",
    'encoding="UTF-8"',
    `CID=${cid}`,
    "parentCID=ffffffff",
    `createType="${options.subformat}"`,
    "",
    "# Extent description",
    `RW ${sectors} ${extent}`,
    "",
    "# The Disk Data Base",
    "#DDB",
    "",
    `ddb.virtualHWVersion = "${options.hwversion}"`,
    // ESXi takes the last eight digits for the content id.
    `ddb.longContentID = "${longPart(options)}${cid}"`,
    `ddb.uuid = "${serial(options.uuid)}"`,
    `ddb.geometry.cylinders = "${cylinders}"`,
    `ddb.geometry.heads = "${heads}"`,
    'ddb.geometry.sectors = "63"',
    `ddb.adapterType = "${options.adapter_type}"`,
    ...(options.thin ? ['ddb.thinProvisioned = "1"'] : []),
    `ddb.toolsVersion = "${options.toolsversion}"`,
    "",
  ].join("\n");
}

/** The first 24 digits. Whoever gives content id and serial number can have the same file written twice. */
function longPart({ cid, uuid }: VmdkOptions): string {
  if (cid === undefined || uuid === undefined) return randomBytes(12).toString("hex");
  return createHash("sha256").update(`${cid} ${uuid}`).digest("hex").slice(0, 24);
}

/** `60 00 C2 9a 11 22 33 44-55 66 77 88 99 aa bb cc`, as VMware groups it. */
function serial(uuid: string | undefined): string {
  const digits = (uuid ?? SERIAL_PREFIX + randomBytes(13).toString("hex")).replace(/[ -]/g, "").toLowerCase();
  const pairs = [...digits.slice(0, 32).matchAll(/../g)].map(([pair]) => pair);
  return `${pairs.slice(0, 8).join(" ")}-${pairs.slice(8).join(" ")}`;
}
