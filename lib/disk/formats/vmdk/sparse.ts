/** Opens one hosted sparse extent: header, or footer for streams, every number checked before it is used. */
import { Fields, readStruct, requireBytes } from "../../fields.ts";
import { insane, truncated } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import type { Layer } from "../../layer.ts";
import { type LayerLocate, type Locate, MappedDisk, type Run } from "../../mapped-disk.ts";
import { isZero } from "../../zeros.ts";
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
  let behind: readonly string[] = [];
  if (start.directoryOffset === null) {
    const { fields: footer, notes: told } = await readFooter(image, signal);
    behind = told;
    header = { ...parseHeader(footer), descriptorOffset: start.descriptorOffset, descriptorSize: start.descriptorSize };
    checkHeader(image, header, footer);
    if (header.directoryOffset === null)
      throw insane(image.name, footer.at + 56, "its footer does not say where the grain directory is");
  }

  const { locate, notes } = await hostedGrains(image, header, signal);
  const size = header.capacity * SECTOR;
  const mapped = new MappedDisk(image, size, locate);
  const disk = hasFlag(header.flags, FLAG_COMPRESSED)
    ? inflated(mapped, new CompressedDisk(image, size, header.grainSize * SECTOR, alone(locate)))
    : mapped;
  const unclean = header.uncleanShutdown ? ["The disk was not closed cleanly: its newest writes may be missing."] : [];
  return { header, disk, descriptor, notes: [...notes, ...behind, ...unclean] };
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

/** How far from its end a footer is looked for: programs and stores pad files to whole MiB. */
const FOOTER_STEP = 1_048_576;
const MOST_STEPS = 64;

interface FoundFooter {
  readonly fields: Fields;
  readonly notes: readonly string[];
}

/**
 * Footer marker, footer and end-of-stream marker are a stream's last three sectors, but stores pad files with zeros, and
 * some programs add bytes of their own. Where the end mark alone is missing, all of the disk is there.
 */
async function readFooter(image: ImageFile, signal?: AbortSignal): Promise<FoundFooter> {
  const { size } = image.bytes;
  let end = size;
  for (let step = 0; step < MOST_STEPS && end >= 3 * SECTOR; step++) {
    const from = Math.max(0, Math.floor((end - FOOTER_STEP) / SECTOR) * SECTOR);
    // Two sectors more, for a footer that lies over the border between two steps.
    const bytes = Buffer.alloc(Math.min(size, end + 2 * SECTOR) - from);
    await image.bytes.read(from, bytes, signal);
    for (let pos = Math.floor((bytes.length - 2 * SECTOR) / SECTOR) * SECTOR; pos >= 0; pos -= SECTOR) {
      if (from + pos < SECTOR || !isFooterAt(bytes, pos)) continue;
      const at = from + pos + SECTOR;
      const raw = Buffer.from(bytes.subarray(pos + SECTOR, pos + 2 * SECTOR));
      return { fields: new Fields(image.name, at, raw, "le"), notes: behindFooter(image.name, bytes, pos, step > 0) };
    }
    if (!isZero(bytes)) break;
    end = from;
  }
  throw truncated(image.name, Math.max(0, size - 3 * SECTOR), "the stream does not end with its footer and end mark");
}

function isFooterAt(bytes: Buffer, pos: number): boolean {
  return (
    bytes.readUInt32LE(pos + 8) === 0 &&
    bytes.readUInt32LE(pos + 12) === MARKER_FOOTER &&
    bytes.toString("latin1", pos + SECTOR, pos + SECTOR + 4) === MAGIC_HOSTED
  );
}

function behindFooter(name: string, bytes: Buffer, pos: number, more: boolean): readonly string[] {
  const endMark = bytes.subarray(pos + 2 * SECTOR, pos + 3 * SECTOR);
  if (endMark.length < SECTOR && !more) return [`${name} lacks the mark of its end; its footer is there and was used.`];
  // The end mark is a sector of zeros itself.
  return isZero(bytes.subarray(pos + 2 * SECTOR)) ? [] : [`Bytes behind the end of ${name} were left out.`];
}
