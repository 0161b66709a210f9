/**
 * The space-efficient sparse extent of ESXi: snapshots on VMFS-6, and of disks above 2 TiB everywhere.
 * VMware has not published it; the layout is as QEMU documents it (block/vmdk.c). Little-endian; sectors of 512 bytes.
 */
import { type Fields, type NamedBytes, readStruct, requireBytes } from "../../fields.ts";
import { corrupt, insane, refused } from "../../image-error.ts";
import type { Layer } from "../../layer.ts";
import { MappedDisk } from "../../mapped-disk.ts";
import { type Claimed, directoryEntries, grainMap } from "./grain-map.ts";
import { MAGIC_SESPARSE, SECTOR } from "./layout.ts";

const VERSION = 0x2_0000_0001n;
const MAGIC_VOLATILE = 0xcafe_cafen;
const GRAIN_SECTORS = 8;
const TABLE_SECTORS = 64;
const ENTRY_BYTES = 8;
const ENTRIES_PER_TABLE = (TABLE_SECTORS * SECTOR) / ENTRY_BYTES;
/** Directory entries: this in the upper half, the table's number in the lower. */
const TABLE_PRESENT = 0x1000_0000;
const HALF = 2 ** 32;

/** The disk owns `file.bytes`. Throws `image.*`; `image.vmdk-journal` for one that was not closed. */
export async function openSeSparse(file: NamedBytes, signal?: AbortSignal): Promise<Layer> {
  const h = await readStruct(file, 0, SECTOR, "le", "the header", signal);
  const bad = (offset: number, what: string) => insane(file.name, offset, what);
  if (!h.raw.subarray(0, 8).equals(MAGIC_SESPARSE))
    throw bad(0, "it does not begin with the header of an seSparse extent");
  if (h.u64big(8) !== VERSION) throw bad(8, `its seSparse version is ${h.u64big(8)}; ${VERSION} is known`);
  if (h.u64big(24) !== BigInt(GRAIN_SECTORS)) throw bad(24, `its grains have ${h.u64big(24)} sectors; 8 are known`);
  if (h.u64big(32) !== BigInt(TABLE_SECTORS))
    throw bad(32, `its grain tables have ${h.u64big(32)} sectors; 64 are known`);
  if (h.u64big(40) !== 0n) throw bad(40, `its flags ${h.u64big(40)} are not known`);
  const capacity = h.u64(16, "the capacity");
  const size = capacity * SECTOR;
  if (!Number.isSafeInteger(size)) throw bad(16, `its capacity is ${capacity} sectors`);

  const volatile = area(file, h, 80, "the volatile header");
  const directory = area(file, h, 128, "the grain directory");
  const tables = area(file, h, 144, "the grain tables");
  const grainsAt = area(file, h, 192, "the grains").from;
  await refuseUnclosed(file, volatile.from, signal);

  const grainBytes = GRAIN_SECTORS * SECTOR;
  const entries = directoryEntries({ size, grainBytes, entriesPerTable: ENTRIES_PER_TABLE });
  if (directory.to - directory.from < entries * ENTRY_BYTES)
    throw bad(136, `its directory has ${directory.to - directory.from} bytes, the disk needs ${entries * ENTRY_BYTES}`);
  requireBytes(file, directory.from, entries * ENTRY_BYTES, "the grain directory");
  const locate = grainMap(file, {
    size,
    grainBytes,
    entriesPerTable: ENTRIES_PER_TABLE,
    entryBytes: ENTRY_BYTES,
    directoryAt: directory.from,
    claimed: [
      { what: "the header", from: 0, to: SECTOR },
      { what: "the volatile header", from: volatile.from, to: volatile.from + SECTOR },
      directory,
    ].filter(({ from, to }) => to > from),
    tableAt: (page, pos, at) => {
      const upper = page.readUInt32LE(pos + 4);
      const number = page.readUInt32LE(pos);
      if (upper === 0 && number === 0) return null;
      if (upper !== TABLE_PRESENT) throw corrupt(file.name, at, "an entry of its grain directory is not one");
      const from = tables.from + number * TABLE_SECTORS * SECTOR;
      if (from + TABLE_SECTORS * SECTOR > tables.to)
        throw insane(file.name, at, `grain table ${number} lies beyond the tables`);
      return from;
    },
    grainAt: (page, pos, at) => {
      const upper = page.readUInt32LE(pos + 4);
      const lower = page.readUInt32LE(pos);
      switch (Math.floor(upper / 2 ** 28)) {
        case 0:
          if (upper !== 0 || lower !== 0) throw corrupt(file.name, at, "an entry of a grain table is not one");
          return "parent";
        // Unmapped by the guest, and zeroed.
        case 1:
        case 2:
          return null;
        case 3: {
          // The number's lowest 12 bits stand above its other 48.
          const number = (Math.floor(upper / 2 ** 16) % 4096) + ((upper % 2 ** 16) * HALF + lower) * 4096;
          const from = grainsAt + number * grainBytes;
          if (!Number.isSafeInteger(from)) throw insane(file.name, at, "a grain lies beyond any file");
          return from;
        }
        default:
          throw corrupt(file.name, at, "an entry of a grain table is of no known kind");
      }
    },
  });
  return new MappedDisk(file, size, locate);
}

/** Offset and size of a part of the file as the header tells them, sectors. */
function area(file: NamedBytes, h: Fields, pos: number, what: string): Claimed {
  const from = h.u64(pos, `the offset of ${what}`) * SECTOR;
  const length = h.u64(pos + 8, `the size of ${what}`) * SECTOR;
  if (!Number.isSafeInteger(from + length)) {
    throw insane(file.name, pos, `${what} would end beyond any file`);
  }
  return { what, from, to: from + length };
}

/** What was written last may stand in the journal alone, in a form that nobody published. */
async function refuseUnclosed(file: NamedBytes, at: number, signal: AbortSignal | undefined): Promise<void> {
  const h = await readStruct(file, at, SECTOR, "le", "the volatile header", signal);
  if (h.u64big(0) !== MAGIC_VOLATILE) throw insane(file.name, at, "its volatile header is not one");
  if (h.u64big(24) === 0n) return;
  throw refused(
    file.name,
    at + 24,
    "image.vmdk-journal",
    "was not closed: its journal holds changes that only ESXi can apply",
    "Shut the machine down in vSphere, or consolidate its snapshots, and copy the disk again.",
  );
}
