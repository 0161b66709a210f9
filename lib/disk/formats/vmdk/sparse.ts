/** Opens one hosted sparse extent: header, or footer for streams, every number checked before it is used. */
import { readStruct, requireBytes, type Fields } from "../../fields.ts";
import { insane, truncated } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import type { Layer } from "../../layer.ts";
import { type LayerLocate, type Locate, MappedDisk, type Run } from "../../mapped-disk.ts";
import { CompressedDisk } from "./compressed-disk.ts";
import { MAX_DESCRIPTOR_BYTES } from "./descriptor.ts";
import { hostedGrains } from "./hosted-grains.ts";
import {
  COMPRESSION_DEFLATE,
  FLAG_COMPRESSED,
  FLAG_MARKERS,
  FLAG_NEWLINE_TEST,
  hasFlag,
  MAGIC_HOSTED,
  MARKER_FOOTER,
  parseHeader,
  SECTOR,
  type SparseHeader,
} from "./layout.ts";

/** 32 MiB; VMware uses 64 KiB. */
const MAX_GRAIN_SECTORS = 65_536;
/** 4 MiB: a compressed grain stands in memory whole. */
const MAX_COMPRESSED_GRAIN_SECTORS = 8192;
const MAX_ENTRIES_PER_TABLE = 65_536;

export interface SparseExtent {
  readonly header: SparseHeader;
  readonly disk: Layer;
  /** Text of the embedded descriptor, if there is one. */
  readonly descriptor: { readonly bytes: Buffer; readonly at: number } | null;
  readonly notes: readonly string[];
}

/** The disk that comes back owns `image.bytes`. Throws `image.*`. */
export async function openSparse(image: ImageFile, signal?: AbortSignal): Promise<SparseExtent> {
  const first = await readStruct(image, 0, SECTOR, "le", "the header", signal);
  if (first.ascii(0, 4) !== MAGIC_HOSTED) throw insane(image.name, 0, "it does not begin with a VMDK header");
  const start = parseHeader(first);
  checkHeader(image, start, first);
  const descriptor = await readEmbedded(image, start, signal);
  let header = start;
  if (start.directoryOffset === null) {
    const footer = await readFooter(image, signal);
    header = { ...parseHeader(footer), descriptorOffset: start.descriptorOffset, descriptorSize: start.descriptorSize };
    checkHeader(image, header, footer);
    if (header.directoryOffset === null)
      throw insane(image.name, footer.at + 56, "its footer does not say where the grain directory is");
  }

  const { locate, notes } = hostedGrains(image, header);
  const size = header.capacity * SECTOR;
  const mapped = new MappedDisk(image, size, locate);
  const disk = hasFlag(header.flags, FLAG_COMPRESSED)
    ? inflated(mapped, new CompressedDisk(image, size, header.grainSize * SECTOR, alone(locate)))
    : mapped;
  const unclean = header.uncleanShutdown ? ["The disk was not closed cleanly: its newest writes may be missing."] : [];
  return { header, disk, descriptor, notes: [...notes, ...unclean] };
}

/** Which grains are there is told by the map, what they hold by the inflating disk, which owns the file. */
function inflated(map: MappedDisk, disk: CompressedDisk): Layer {
  return {
    size: disk.size,
    extents: (signal) => disk.extents(signal),
    read: (offset, into, signal) => disk.read(offset, into, signal),
    locate: (offset, limit, signal) => disk.locate(offset, limit, signal),
    held: (offset, limit, signal) => map.held(offset, limit, signal),
    [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
  };
}

/** Without the parent: zeros in its place. */
function alone(locate: LayerLocate): Locate {
  const toRun = ({ length, at }: { length: number; at: number | null | "parent" }): Run => ({
    length,
    at: at === "parent" ? null : at,
  });
  return (offset, limit, kindOnly, signal) => {
    const found = locate(offset, limit, kindOnly, signal);
    return found instanceof Promise ? found.then(toRun) : toRun(found);
  };
}

export function checkHeader(image: ImageFile, h: SparseHeader, f: Fields): void {
  const bad = (offset: number, what: string) => insane(image.name, f.at + offset, what);
  if (h.version < 1 || h.version > 3) throw bad(4, `its VMDK version is ${h.version}; 1 to 3 are known`);
  // A transfer in text mode changes these four bytes, and who knows how many others.
  if (hasFlag(h.flags, FLAG_NEWLINE_TEST) && f.ascii(73, 4) !== "\n \r\n") {
    throw bad(73, "its line ends were changed, as by a transfer in text mode");
  }
  const compressed = hasFlag(h.flags, FLAG_COMPRESSED);
  const most = compressed ? MAX_COMPRESSED_GRAIN_SECTORS : MAX_GRAIN_SECTORS;
  if (!isPowerOfTwo(h.grainSize) || h.grainSize > most) throw bad(20, `its grains have ${h.grainSize} sectors`);
  if (!isPowerOfTwo(h.entriesPerTable) || h.entriesPerTable > MAX_ENTRIES_PER_TABLE) {
    throw bad(44, `its grain tables have ${h.entriesPerTable} entries`);
  }
  if (!Number.isSafeInteger(h.capacity * SECTOR)) throw bad(12, `its capacity is ${h.capacity} sectors`);
  if (compressed && h.compression !== COMPRESSION_DEFLATE)
    throw bad(77, `its compression has the unknown number ${h.compression}`);
  if (compressed && !hasFlag(h.flags, FLAG_MARKERS)) throw bad(8, "its grains are compressed but have no markers");
}

function isPowerOfTwo(n: number): boolean {
  return n >= 1 && Number.isInteger(Math.log2(n));
}

export async function readEmbedded(
  image: ImageFile,
  h: SparseHeader,
  signal?: AbortSignal,
): Promise<SparseExtent["descriptor"]> {
  if (h.descriptorOffset === 0 || h.descriptorSize === 0) return null;
  const at = h.descriptorOffset * SECTOR;
  const length = h.descriptorSize * SECTOR;
  if (length > MAX_DESCRIPTOR_BYTES) throw insane(image.name, 36, `its descriptor asks for ${length} bytes`);
  requireBytes(image, at, length, "the descriptor");
  return { bytes: (await readStruct(image, at, length, "le", "the descriptor", signal)).raw, at };
}

/** The last three sectors: footer marker, footer, end-of-stream marker. */
async function readFooter(image: ImageFile, signal?: AbortSignal): Promise<Fields> {
  const at = image.bytes.size - 3 * SECTOR;
  if (at < SECTOR) throw truncated(image.name, image.bytes.size, "the stream ends before its footer");
  const tail = await readStruct(image, at, 3 * SECTOR, "le", "the footer", signal);
  const isFooter = tail.u32(8) === 0 && tail.u32(12) === MARKER_FOOTER && tail.ascii(SECTOR, 4) === MAGIC_HOSTED;
  const isEnd = tail.u64big(2 * SECTOR) === 0n && tail.u32(2 * SECTOR + 8) === 0 && tail.u32(2 * SECTOR + 12) === 0;
  if (!isFooter || !isEnd) throw truncated(image.name, at, "the stream does not end with its footer and end mark");
  return readStruct(image, at + SECTOR, SECTOR, "le", "the footer", signal);
}
