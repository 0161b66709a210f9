/** A descriptor for a disk that lies in a file beside it already. */
import type { ReferredFile } from "../../format.ts";
import type { FilePlan } from "../../plan.ts";
import { metaRegion, planOf } from "../../region.ts";
import { isFlat } from "./flat.ts";
import { SECTOR } from "./layout.ts";
import { describeNew } from "./new-descriptor.ts";
import type { VmdkOptions } from "./options.ts";

/** null when a descriptor cannot say it: the name has a quote, the place or the size is no whole number of sectors. */
export function referVmdk(file: ReferredFile, options: VmdkOptions): FilePlan | null {
  if (file.at % SECTOR !== 0 || file.size % SECTOR !== 0 || /["\p{Cc}]/u.test(file.name)) return null;
  const subformat = isFlat(options) ? options.subformat : "monolithicFlat";
  // Those of ESXi begin where their file begins.
  if (subformat === "vmfs" && file.at !== 0) return null;
  const extent = subformat === "vmfs" ? `VMFS "${file.name}"` : `FLAT "${file.name}" ${file.at / SECTOR}`;
  const bytes = Buffer.from(describeNew({ ...options, subformat }, file.size / SECTOR, extent), "utf8");
  return planOf([metaRegion(0, bytes.length, () => bytes)], bytes.length);
}
