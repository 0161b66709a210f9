/**
 * A qcow2 whose data lies in a raw file beside it already: tables that map every cluster to its own place there.
 * The file stays a raw disk for those who know nothing of the qcow2 (autoclear bit "raw external data").
 */
import type { ReferredFile } from "../../format.ts";
import { everyGranule } from "../../granule-runs.ts";
import type { FilePlan } from "../../plan.ts";
import { planOf } from "../../region.ts";
import { EXT_DATA_FILE, FULL_HEADER_BYTES, INCOMPATIBLE } from "./layout.ts";
import { packingOf, type Qcow2Options } from "./options.ts";
import { clusters } from "./plan.ts";
import { countRefBlocks, type Parts, Qcow2Tables } from "./tables.ts";

/** Bytes of a name that QEMU takes. */
const LONGEST_NAME = 1023;
/** Autoclear bit 1. */
const RAW_EXTERNAL = 2;

/** null when it cannot be said so: it is to be compressed, does not begin where the file does, has too long a name. */
export function referQcow2(file: ReferredFile, options: Qcow2Options): FilePlan | null {
  if (packingOf(options) !== null) return null;
  const clusterBytes = options.cluster_size;
  const name = Buffer.from(file.name, "utf8");
  if (file.at !== 0 || name.length > Math.min(LONGEST_NAME, clusterBytes - FULL_HEADER_BYTES - 16)) return null;
  const total = Math.ceil(file.size / clusterBytes);
  const tables = new Qcow2Tables(file.size, everyGranule(clusterBytes, total));
  const l1 = 1;
  const refTable = l1 + tables.l1Clusters;
  // Clusters of the data file are not counted: they have one owner by their nature.
  const counts = countRefBlocks(refTable + tables.l2Count, clusterBytes);
  const refBlocks = refTable + counts.table;
  const l2 = refBlocks + counts.blocks;
  const end = l2 + tables.l2Count;
  const parts: Parts = { l1, refTable, refBlocks, refBlockCount: counts.blocks, l2, data: 0, end };
  const region = (from: number, to: number, bytes: (index: number) => Uint8Array) =>
    clusters(from, to, clusterBytes, bytes);
  return planOf(
    [
      region(0, l1, () => withDataFile(tables.header(parts), name)),
      region(l1, refTable, (part) => tables.l1Part(part, parts)),
      region(refTable, refBlocks, (part) => tables.refTablePart(part, parts)),
      region(refBlocks, l2, (block) => tables.refBlock(block, parts)),
      region(l2, end, (rank) => tables.l2Table(rank, parts)),
    ],
    end * clusterBytes,
  );
}

function withDataFile(header: Uint8Array, name: Buffer): Uint8Array {
  const bytes = Buffer.from(header);
  bytes.writeUInt32BE(2 ** INCOMPATIBLE.dataFile, 76);
  bytes.writeUInt32BE(RAW_EXTERNAL, 92);
  bytes.writeUInt32BE(EXT_DATA_FILE, FULL_HEADER_BYTES);
  bytes.writeUInt32BE(name.length, FULL_HEADER_BYTES + 4);
  name.copy(bytes, FULL_HEADER_BYTES + 8);
  return bytes;
}
