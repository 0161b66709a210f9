/**
 * .zip: which entries it has, by its central directory, and the bytes of one.
 * Source: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3 (zip64).
 */
import { crc32 } from "node:zlib";
import { AppError } from "#lib/errors.ts";
import { readStruct, type Fields } from "../fields.ts";
import { corrupt, insane, refused } from "../image-error.ts";
import type { ImageFile } from "../io.ts";
import { mayBeDisk } from "../containers/archive/contents.ts";
import { bytesOf } from "./bytes-of.ts";
import type { Meter } from "./packing.ts";
import { unpack } from "./unpack.ts";

const END_BYTES = 22;
const MOST_COMMENT = 65_535;
const END = 0x0605_4b50;
const END64_LOCATOR = 0x0706_4b50;
const END64 = 0x0606_4b50;
const ENTRY = 0x0201_4b50;
const LOCAL = 0x0403_4b50;
const UNIX = 3;
/** Socket, link, block device, folder, character device: sys/stat.h. */
const NO_FILES = new Set([0o140_000, 0o120_000, 0o060_000, 0o040_000, 0o020_000]);
const MAX_32 = 0xffff_ffff;
/** A package with so many names is no disk's. */
const MOST_DIRECTORY = 16 * 1024 * 1024;

export interface ZipEntry {
  readonly name: string;
  readonly method: "stored" | "deflate" | "deflate64" | "bzip2" | "zstd" | "xz";
  readonly packedBytes: number;
  readonly size: number;
  readonly crc: number;
  /** Of its local header. */
  readonly at: number;
}

const METHODS = { 0: "stored", 8: "deflate", 9: "deflate64", 12: "bzip2", 93: "zstd", 95: "xz" } as const;
/** Those that are not read, by name. */
const OTHERS: Readonly<Record<number, string>> = { 14: "LZMA", 96: "JPEG", 97: "WavPack", 98: "PPMd" };

/** Files that may be disks: no folders, no links, nothing hidden. Throws `image.*`. */
export async function zipEntries(image: ImageFile, signal?: AbortSignal): Promise<readonly ZipEntry[]> {
  const { at, length, base } = await findDirectory(image, signal);
  if (length > MOST_DIRECTORY) throw insane(image.name, base, `its directory has ${length} bytes`);
  const directory = await readStruct(image, at, length, "le", "the directory of the package", signal);
  const entries: ZipEntry[] = [];
  for (let pos = 0; pos + 46 <= length; ) {
    if (directory.u32(pos) !== ENTRY) throw corrupt(image.name, at + pos, `no entry begins at byte ${at + pos}`);
    const nameBytes = directory.u16(pos + 28);
    const extraBytes = directory.u16(pos + 30);
    const end = pos + 46 + nameBytes + extraBytes + directory.u16(pos + 32);
    if (end > length) throw corrupt(image.name, at + pos, "an entry is longer than the directory");
    const name = directory.raw.toString("utf8", pos + 46, pos + 46 + nameBytes);
    if (isFile(name) && isPlain(directory, pos))
      entries.push(entryAt(image.name, directory, pos, name, nameBytes, extraBytes));
    pos = end;
  }
  return entries;
}

function isFile(name: string): boolean {
  return !name.endsWith("/") && !name.split("/").some((part) => part.startsWith(".") || part === "__MACOSX");
}

/**
 * 4.4.2.2, 4.4.15: on Unix the upper half of the attributes is the mode. Links, sockets and devices are left out, as of a
 * tar. What zip read from a pipe is said to be one, and holds its bytes.
 */
function isPlain(f: Fields, pos: number): boolean {
  return f.u16(pos + 4) >>> 8 !== UNIX || !NO_FILES.has(f.u16(pos + 40) & 0o170_000);
}

function entryAt(file: string, f: Fields, pos: number, name: string, nameBytes: number, extraBytes: number): ZipEntry {
  const here = f.at + pos;
  if (f.u16(pos + 8) % 2 === 1) {
    throw refused(
      file,
      here + 8,
      "image.encrypted",
      `holds ${shown(name)} encrypted`,
      "Unpack it with its password first.",
    );
  }
  const number = f.u16(pos + 10);
  const method = METHODS[number as keyof typeof METHODS] as ZipEntry["method"] | undefined;
  if (method === undefined) {
    throw refused(
      file,
      here + 10,
      "image.unsupported-feature",
      `holds ${shown(name)} packed by ${OTHERS[number] ?? "a method"} (number ${number}), which is not read here`,
      "Unpack it with 7-Zip, or pack it by deflate.",
    );
  }
  // 4.5.3: those of the four that do not fit 32 bits, in this order.
  const wide = zip64Field(f, pos + 46 + nameBytes, extraBytes);
  let used = 0;
  const number64 = (at: number, what: string): number => {
    if (f.u32(at) !== MAX_32) return f.u32(at);
    if (wide === null || used + 8 > wide.length) throw corrupt(file, here, `${what} of ${shown(name)} is missing`);
    used += 8;
    return f.u64(wide.at + used - 8, what);
  };
  const size = number64(pos + 24, "the size");
  const packedBytes = number64(pos + 20, "the packed size");
  return { name, method, size, packedBytes, crc: f.u32(pos + 16), at: number64(pos + 42, "the place") };
}

function zip64Field(f: Fields, from: number, length: number): { at: number; length: number } | null {
  for (let pos = from; pos + 4 <= from + length; ) {
    const bytes = f.u16(pos + 2);
    if (pos + 4 + bytes > from + length) return null;
    if (f.u16(pos) === 1) return { at: pos + 4, length: bytes };
    pos += 4 + bytes;
  }
  return null;
}

/** The last record of its kind in the file's end. */
async function findDirectory(image: ImageFile, signal?: AbortSignal) {
  const { size } = image.bytes;
  const length = Math.min(size, END_BYTES + MOST_COMMENT);
  const tail = await readStruct(image, size - length, length, "le", "the package's end", signal);
  for (let pos = length - END_BYTES; pos >= 0; pos--) {
    if (tail.u32(pos) !== END || tail.u16(pos + 20) !== length - END_BYTES - pos) continue;
    const base = tail.at + pos;
    const found = { at: tail.u32(pos + 16), length: tail.u32(pos + 12), base };
    if (found.at !== MAX_32 && found.length !== MAX_32 && tail.u16(pos + 10) !== 0xffff) return found;
    if (base < 20) break;
    const locator = await readStruct(image, base - 20, 20, "le", "the zip64 locator", signal);
    if (locator.u32(0) !== END64_LOCATOR) return found;
    const at = locator.u64(8, "the zip64 record's place");
    const wide = await readStruct(image, at, 56, "le", "the zip64 record", signal);
    if (wide.u32(0) !== END64) throw corrupt(image.name, at, `no zip64 record is at byte ${at}`);
    return { at: wide.u64(48, "the directory's place"), length: wide.u64(40, "the directory's length"), base };
  }
  throw corrupt(image.name, size, "the directory of the package is not at its end");
}

/** Where the bytes of the entry begin. */
export async function entryData(image: ImageFile, entry: ZipEntry, signal?: AbortSignal): Promise<number> {
  const local = await readStruct(image, entry.at, 30, "le", "an entry of the package", signal);
  if (local.u32(0) !== LOCAL) throw corrupt(image.name, entry.at, `no entry begins at byte ${entry.at}`);
  return entry.at + 30 + local.u16(26) + local.u16(28);
}

/** The entry's content, checked by its length and CRC. */
export async function* unzip(
  image: ImageFile,
  entry: ZipEntry,
  meter: Meter,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  const at = await entryData(image, entry, signal);
  const packed = bytesOf(image, at, entry.packedBytes, signal);
  let crc = 0;
  let length = 0;
  for await (const bytes of entry.method === "stored" ? packed : unpack(entry.method, packed, meter, signal)) {
    length += bytes.length;
    if (length > entry.size) break;
    crc = crc32(bytes, crc);
    yield bytes;
  }
  if (length !== entry.size || crc !== entry.crc) {
    throw corrupt(image.name, entry.at, `${shown(entry.name)} is not what its checksum says`);
  }
}

/** Throws `image.disk-unsaid`, `image.no-such-disk`. `wanted`: a name, or a place counted from 1. */
export function chooseEntry(name: string, entries: readonly ZipEntry[], wanted?: string | number): ZipEntry {
  const list = entries.map((entry, i) => `${i + 1}: ${shown(entry.name)}`).join(", ");
  const details = { file: name, offset: 0 };
  const [only] = entries;
  if (wanted === undefined) {
    if (only !== undefined && entries.length === 1) return only;
    // What lies beside the disk to be read by people is not meant.
    const [disk, ...more] = entries.filter((entry) => mayBeDisk(entry.name));
    if (disk !== undefined && more.length === 0) return disk;
    throw new AppError("unprocessable", "image.disk-unsaid", `${name} holds ${entries.length} files.`, {
      hint: entries.length === 0 ? "Choose another file." : `Say which one is the disk. ${list.slice(0, 2000)}`,
      details,
    });
  }
  const found = entries.find((entry) => entry.name === wanted) ?? entries[Number(wanted) - 1];
  if (found !== undefined) return found;
  throw new AppError("unprocessable", "image.no-such-disk", `${name} has no file ${wanted}.`, {
    hint: `It holds ${list.slice(0, 2000)}`,
    details,
  });
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}
