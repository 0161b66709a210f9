/**
 * The sparse extent of ESX on VMFS: `COWD`, createType vmfsSparse, what its snapshots were until VMFS-6.
 * Source: "Virtual Disk Format 5.0", section "ESX Server Sparse Extents". Little-endian; sectors of 512 bytes.
 */
import { type NamedBytes, readStruct, requireBytes } from "../../fields.ts";
import { insane } from "../../image-error.ts";
import type { Layer } from "../../layer.ts";
import { MappedDisk } from "../../mapped-disk.ts";
import { directoryEntries, grainMap } from "./grain-map.ts";
import { MAGIC_COWD, SECTOR } from "./layout.ts";

/** The header fills four sectors; what follows the numbers read here is names and padding. */
const HEADER_BYTES = 2048;
const ENTRIES_PER_TABLE = 4096;
const MAX_GRAIN_SECTORS = 2048;

/** The disk owns `file.bytes`. Throws `image.*`. */
export async function openCowd(file: NamedBytes, signal?: AbortSignal): Promise<Layer> {
  const h = await readStruct(file, 0, HEADER_BYTES, "le", "the header", signal);
  if (h.ascii(0, 4) !== MAGIC_COWD) throw insane(file.name, 0, "it does not begin with the header of an ESX extent");
  const version = h.u32(4);
  if (version !== 1) throw insane(file.name, 4, `its version is ${version}; 1 is known`);
  const size = h.u32(12) * SECTOR;
  const grainSectors = h.u32(16);
  if (grainSectors < 1 || grainSectors > MAX_GRAIN_SECTORS || !Number.isInteger(Math.log2(grainSectors)))
    throw insane(file.name, 16, `its grains have ${grainSectors} sectors`);
  const grainBytes = grainSectors * SECTOR;
  const directoryAt = h.u32(20) * SECTOR;
  const entries = directoryEntries({ size, grainBytes, entriesPerTable: ENTRIES_PER_TABLE });
  if (h.u32(24) < entries)
    throw insane(file.name, 24, `its directory has ${h.u32(24)} entries, the disk needs ${entries}`);
  requireBytes(file, directoryAt, entries * 4, "the grain directory");
  const locate = grainMap(file, {
    size,
    grainBytes,
    entriesPerTable: ENTRIES_PER_TABLE,
    entryBytes: 4,
    directoryAt,
    claimed: [
      { what: "the header", from: 0, to: HEADER_BYTES },
      ...(entries === 0 ? [] : [{ what: "the grain directory", from: directoryAt, to: directoryAt + entries * 4 }]),
    ],
    tableAt: (page, pos) => {
      const sector = page.readUInt32LE(pos);
      return sector === 0 ? null : sector * SECTOR;
    },
    grainAt: (page, pos) => {
      const sector = page.readUInt32LE(pos);
      return sector === 0 ? "parent" : sector * SECTOR;
    },
  });
  return new MappedDisk(file, size, locate);
}
