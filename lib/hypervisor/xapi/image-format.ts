/** How storage repositories keep disks inside, which decides how large they may be and how they are read. */
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { RecordOf } from "./records.ts";

const GiB = 1024 ** 3;
/** The largest VHD of the XenAPI. Source: xapi, `Constants.max_vhd_size`. */
export const MOST_VHD = 2040 * GiB;
/** Of XCP-ng's QCOW2 disks. Source: docs.xcp-ng.org, "QCOW2 FAQ". */
export const MOST_QCOW2 = 16_381 * GiB;

/** Kinds of repositories whose disks are VHDs, if nothing else is said of one. */
const VHD_INSIDE = new Set(["ext", "nfs", "smb", "cifs", "file", "lvm", "lvmoiscsi", "lvmohba", "lvmofcoe"]);

type Kept = Pick<RecordOf<"VDI">, "virtual_size" | "sm_config">;

/** One repository may hold both kinds: a larger disk than a VHD can be is a QCOW2. Null: unknown. */
export function keptAs(type: string, { virtual_size, sm_config }: Kept): DiskFormatId | null {
  const said = sm_config["image-format"] ?? sm_config["type"];
  if (said === "qcow2" || said === "raw") return said;
  if (!VHD_INSIDE.has(type)) return null;
  return virtual_size > MOST_VHD ? "qcow2" : "vhd";
}

/** Of a VHD only what is stored needs to travel. Others are VHDs neither inside nor, when they are large, outside. */
export function exportFormatOf(type: string, vdi: Kept): "vhd" | "raw" {
  return keptAs(type, vdi) === "vhd" ? "vhd" : "raw";
}

/** The largest disk that repositories with this driver take; no driver: none that is known. */
export function mostOf(driver: RecordOf<"SM"> | undefined): number {
  return driver?.supported_image_formats.includes("qcow2") === true ? MOST_QCOW2 : MOST_VHD;
}
