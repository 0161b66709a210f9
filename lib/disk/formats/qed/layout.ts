/** QED on disk: docs/specs/qed_spec of QEMU 7.2. All numbers are little-endian; offsets and sizes are bytes. */
import { type NamedBytes, readStruct, requireBytes } from "../../fields.ts";
import { insane, refused } from "../../image-error.ts";

export const MAGIC = 0x0044_4551;
export const HEADER_BYTES = 64;
const MIN_CLUSTER = 2 ** 12;
const MAX_CLUSTER = 2 ** 26;
const MAX_TABLE_CLUSTERS = 16;
const MAX_BACKING_NAME = 1023;
const FEATURE = { backingFile: 1n, needCheck: 2n, backingIsRaw: 4n } as const;
const KNOWN_FEATURES = 7n;

export interface QedHeader {
  readonly clusterBytes: number;
  /** Of one table, the first level's as each of the second's. */
  readonly tableBytes: number;
  readonly l1Offset: number;
  /** Of the disk. */
  readonly size: number;
  readonly needCheck: boolean;
  readonly backing: { readonly name: string; readonly format: "raw" | null } | null;
}

/** Throws `image.header-insane`, `image.truncated`, `image.unsupported-feature`. */
export async function readHeader(file: NamedBytes, signal?: AbortSignal): Promise<QedHeader> {
  const h = await readStruct(file, 0, HEADER_BYTES, "le", "the header", signal);
  const bad = (at: number, what: string) => insane(file.name, at, what);
  if (h.u32(0) !== MAGIC) throw bad(0, "it does not begin with a QED header");
  const clusterBytes = h.u32(4);
  if (!isPowerOfTwo(clusterBytes) || clusterBytes < MIN_CLUSTER || clusterBytes > MAX_CLUSTER)
    throw bad(4, `its clusters have ${clusterBytes} bytes`);
  const tableClusters = h.u32(8);
  if (!isPowerOfTwo(tableClusters) || tableClusters > MAX_TABLE_CLUSTERS)
    throw bad(8, `its tables have ${tableClusters} clusters`);
  const features = h.u64big(16);
  const unknown = features - (features & KNOWN_FEATURES);
  if (unknown !== 0n) {
    throw refused(
      file.name,
      16,
      "image.unsupported-feature",
      `uses QED features that are not known here: ${unknown.toString(2)} in binary`,
      "Convert it with the program that wrote it: qemu-img convert -f qed -O qcow2.",
    );
  }
  const tableBytes = tableClusters * clusterBytes;
  const size = h.u64(48, "the disk's size");
  const entries = tableBytes / 8;
  if (size % 512 !== 0 || size > entries * entries * clusterBytes) throw bad(48, `its disk has ${size} bytes`);
  const l1Offset = h.u64(40, "the L1 table's offset");
  if (l1Offset === 0 || l1Offset % clusterBytes !== 0)
    throw bad(40, `the L1 table lies at byte ${l1Offset}, which no cluster begins with`);
  requireBytes(file, l1Offset, tableBytes, "the L1 table");
  return {
    clusterBytes,
    tableBytes,
    l1Offset,
    size,
    needCheck: (features & FEATURE.needCheck) !== 0n,
    backing: (features & FEATURE.backingFile) === 0n ? null : await readBacking(),
  };

  async function readBacking(): Promise<QedHeader["backing"]> {
    const at = h.u32(56);
    const length = h.u32(60);
    if (length === 0 || length > MAX_BACKING_NAME || at < HEADER_BYTES || at + length > h.u32(12) * clusterBytes)
      throw bad(56, `the name of its backing file is ${length} bytes at byte ${at}`);
    const { raw } = await readStruct(file, at, length, "le", "the name of the backing file", signal);
    return { name: raw.toString("utf8"), format: (features & FEATURE.backingIsRaw) === 0n ? null : "raw" };
  }
}

function isPowerOfTwo(n: number): boolean {
  return n >= 1 && Number.isInteger(Math.log2(n));
}
