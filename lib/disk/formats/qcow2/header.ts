/** Reads and judges the header before anything is allocated by its numbers. */
import { AppError } from "#lib/errors.ts";
import { readStruct, requireBytes, type Fields, type NamedBytes } from "../../fields.ts";
import { corrupt, insane, refused } from "../../image-error.ts";
import * as layout from "./layout.ts";
import { l2Entries, type Compression, type Qcow2Header } from "./layout.ts";

const KNOWN_INCOMPATIBLE = 0b11111n;

/** Throws `image.*`: truncated, header-insane, corrupt, encrypted, unsupported-version, unsupported-feature. */
export async function readHeader(file: NamedBytes, signal?: AbortSignal): Promise<Qcow2Header> {
  const { name } = file;
  const start = await readStruct(file, 0, layout.V2_HEADER_BYTES, "be", "the qcow2 header", signal);
  if (start.u32(0) !== layout.MAGIC) throw corrupt(name, 0, "the qcow2 magic is missing");
  const version = start.u32(4);
  if (version !== 2 && version !== 3) {
    const hint =
      version === 1
        ? "Versions 2 and 3 are read. Convert it first: qemu-img convert -f qcow -O qcow2."
        : "Versions 2 and 3 are read.";
    throw refused(name, 4, "image.unsupported-version", `is a QCOW of version ${version}`, hint);
  }
  const clusterBits = start.u32(20);
  if (clusterBits < layout.MIN_CLUSTER_BITS || clusterBits > layout.MAX_CLUSTER_BITS) {
    throw insane(name, 20, `the cluster size is 2^${clusterBits} bytes`);
  }
  const clusterBytes = 2 ** clusterBits;
  if (start.u32(32) !== 0) {
    throw refused(
      name,
      32,
      "image.encrypted",
      "is encrypted",
      "Decrypt it first: qemu-img convert --image-opts, with its secret.",
    );
  }

  const v3 = version === 3 ? await readStruct(file, 0, layout.V3_HEADER_BYTES, "be", "the qcow2 header", signal) : null;
  const headerBytes = v3?.u32(100) ?? layout.V2_HEADER_BYTES;
  if (v3 !== null && (headerBytes < layout.V3_HEADER_BYTES || headerBytes > clusterBytes || headerBytes % 8 !== 0)) {
    throw insane(name, 100, `the header's length is ${headerBytes}`);
  }
  const refcountOrder = v3?.u32(96) ?? 4;
  if (refcountOrder > 6) throw insane(name, 96, `a reference count has 2^${refcountOrder} bits`);

  const backingName = await readBackingName(file, start, clusterBytes, signal);
  const extensions = await readExtensions(
    file,
    headerBytes,
    start.u64(8, "the backing name's offset") || clusterBytes,
    signal,
  );

  const bits = v3?.u64big(72) ?? 0n;
  const has = (bit: number) => (bits >> BigInt(bit)) % 2n === 1n;
  refuseUnknownBits(name, bits, extensions.featureNames);
  if (has(layout.INCOMPATIBLE.corrupt)) {
    throw new AppError(
      "unprocessable",
      "image.marked-corrupt",
      `${name} is marked as corrupt by the program that wrote it.`,
      {
        hint: "Repair a copy of it with qemu-img check -r all, then look at what is left of its content.",
        details: { file: name, offset: 72 },
      },
    );
  }
  const compression = await readCompression(file, has(layout.INCOMPATIBLE.compressionType), headerBytes, signal);
  const dataFile = has(layout.INCOMPATIBLE.dataFile) ? extensions.dataFile : null;
  if (has(layout.INCOMPATIBLE.dataFile) && (dataFile === null || dataFile === "")) {
    throw insane(name, 72, "it keeps its data in another file, whose name it does not tell");
  }

  const header: Qcow2Header = {
    version,
    clusterBits,
    clusterBytes,
    size: start.u64(24, "the virtual size"),
    l1Entries: start.u32(36),
    l1Offset: start.u64(40, "the L1 table's offset"),
    extendedL2: has(layout.INCOMPATIBLE.extendedL2),
    compression,
    dirty: has(layout.INCOMPATIBLE.dirty),
    snapshots: start.u32(60),
    refcountBits: 2 ** refcountOrder,
    backing: backingName === null ? null : { name: backingName, format: extensions.backingFormat },
    dataFile,
  };
  requireTables(file, header);
  return header;
}

function requireTables(file: NamedBytes, header: Qcow2Header): void {
  const { name } = file;
  if (header.extendedL2 && header.clusterBits < 14) {
    throw insane(name, 20, `extended L2 entries need clusters of 16 KiB, these have ${header.clusterBytes} bytes`);
  }
  const needed = Math.ceil(header.size / (header.clusterBytes * l2Entries(header)));
  if (header.l1Entries * 8 > layout.MAX_L1_BYTES || needed * 8 > layout.MAX_L1_BYTES) {
    throw insane(name, 36, `its L1 table has ${Math.max(header.l1Entries, needed)} entries`, {
      limit: layout.MAX_L1_BYTES / 8,
    });
  }
  if (header.l1Entries < needed) {
    throw insane(
      name,
      36,
      `a disk of ${header.size} bytes needs ${needed} L1 entries, the table has ${header.l1Entries}`,
    );
  }
  if (header.l1Entries === 0) return;
  if (header.l1Offset % header.clusterBytes !== 0 || header.l1Offset === 0) {
    throw insane(name, 40, `the L1 table lies at byte ${header.l1Offset}, which no cluster begins with`);
  }
  requireBytes(file, header.l1Offset, header.l1Entries * 8, "the L1 table");
}

async function readBackingName(
  file: NamedBytes,
  start: Fields,
  clusterBytes: number,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const offset = start.u64(8, "the backing name's offset");
  const length = start.u32(16);
  if (offset === 0 || length === 0) return null;
  if (length > layout.MAX_BACKING_NAME || offset + length > clusterBytes) {
    throw insane(file.name, 8, `the name of its backing file is ${length} bytes at byte ${offset}`);
  }
  const field = await readStruct(file, offset, length, "be", "the name of the backing file", signal);
  return field.raw.toString("utf8");
}

interface Extensions {
  backingFormat: string | null;
  dataFile: string | null;
  featureNames: ReadonlyMap<number, string>;
}

async function readExtensions(
  file: NamedBytes,
  from: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<Extensions> {
  const found: Extensions = { backingFormat: null, dataFile: null, featureNames: new Map() };
  // `end` lies in the first cluster: readBackingName has checked it, or it is the cluster's end. Read at once: there may be
  // thousands of them.
  const there = Math.max(0, Math.min(end, file.bytes.size) - from);
  const area = await readStruct(file, from, there, "be", "the header extensions", signal);
  // Every turn adds 8 or more.
  for (let at = 0; at + 8 <= there; ) {
    const type = area.u32(at);
    const length = area.u32(at + 4);
    if (type === layout.EXT_END) break;
    const data = at + 8;
    if (length > end - from - data) throw insane(file.name, from + at + 4, `a header extension claims ${length} bytes`);
    const bytes = (): Buffer => {
      requireBytes(file, from + data, length, "a header extension");
      return area.raw.subarray(data, data + length);
    };
    if (type === layout.EXT_BACKING_FORMAT) found.backingFormat = bytes().toString("utf8");
    else if (type === layout.EXT_DATA_FILE) found.dataFile = bytes().toString("utf8");
    else if (type === layout.EXT_FEATURE_NAMES) found.featureNames = featureNames(bytes());
    at = data + Math.ceil(length / 8) * 8;
  }
  return found;
}

/** Names of the incompatible bits, so that a refusal can say which feature it is. 48 bytes an entry: type, bit, name. */
function featureNames(table: Buffer): Map<number, string> {
  const names = new Map<number, string>();
  for (let at = 0; at + 48 <= table.length; at += 48) {
    if (table[at] !== 0) continue;
    const name = table.toString("latin1", at + 2, at + 48).replace(/[^ -~].*$/s, "");
    names.set(table[at + 1] ?? 0, name);
  }
  return names;
}

function refuseUnknownBits(name: string, bits: bigint, names: ReadonlyMap<number, string>): void {
  const unknown = bits - (bits & KNOWN_INCOMPATIBLE);
  if (unknown === 0n) return;
  const list: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if ((unknown >> BigInt(bit)) % 2n === 1n) list.push(names.get(bit) ?? `bit ${bit}`);
  }
  throw refused(
    name,
    72,
    "image.unsupported-feature",
    `uses qcow2 features that are not known here: ${list.join(", ")}`,
    "Convert it with the program that wrote it, without these features.",
  );
}

async function readCompression(
  file: NamedBytes,
  flagged: boolean,
  headerBytes: number,
  signal: AbortSignal | undefined,
): Promise<Compression> {
  const type =
    headerBytes > layout.V3_HEADER_BYTES
      ? (await readStruct(file, layout.V3_HEADER_BYTES, 1, "be", "the compression type", signal)).u8(0)
      : layout.COMPRESSION_ZLIB;
  if (flagged !== (type !== layout.COMPRESSION_ZLIB)) {
    throw insane(file.name, layout.V3_HEADER_BYTES, `compression type ${type} contradicts the feature bits`);
  }
  if (type === layout.COMPRESSION_ZLIB) return "zlib";
  if (type === layout.COMPRESSION_ZSTD) return "zstd";
  throw refused(
    file.name,
    layout.V3_HEADER_BYTES,
    "image.unsupported-feature",
    `uses compression type ${type}`,
    "Compression by zlib and zstd is read.",
  );
}
