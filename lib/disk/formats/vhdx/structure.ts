/** Headers, regions and metadata of a VHDX, read and checked. */
import { type Fields, type NamedBytes, readStruct, requireBytes } from "../../fields.ts";
import { insane, overlap, refused } from "../../image-error.ts";
import {
  FILE_SIGNATURE,
  guidAt,
  HEADER_BYTES,
  HEADERS_AT,
  isSound,
  ITEM_DISK_SIZE,
  ITEM_DISK_ID,
  ITEM_FILE_PARAMETERS,
  ITEM_IS_REQUIRED,
  ITEM_LOGICAL_SECTOR,
  ITEM_PARENT_LOCATOR,
  ITEM_PHYSICAL_SECTOR,
  MAX_BLOCK_BYTES,
  MAX_DISK_BYTES,
  MAX_TABLE_ENTRIES,
  METADATA_TABLE_BYTES,
  MIB,
  MIN_BLOCK_BYTES,
  PARAM_HAS_PARENT,
  PARAM_LEAVE_ALLOCATED,
  REGION_BAT,
  REGION_METADATA,
  REGION_TABLE_BYTES,
  REGION_TABLES_AT,
} from "./layout.ts";

export interface VhdxHeader {
  /** All zeros: the log is empty. */
  readonly logGuid: string;
  readonly logAt: number;
  readonly logLength: number;
  /** Changes with each session that writes data: what a difference names its parent by. */
  readonly dataWriteGuid: string;
}

export interface Range {
  readonly at: number;
  readonly length: number;
}

export interface Metadata {
  readonly blockBytes: number;
  readonly fixed: boolean;
  readonly size: number;
  readonly logicalSector: number;
  readonly physicalSector: number;
  readonly hasParent: boolean;
  /** Where the item is in the file; null: there is none. */
  readonly parentLocator: Range | null;
}

const NO_GUID = "00000000-0000-0000-0000-000000000000";

export function logIsEmpty(header: VhdxHeader): boolean {
  return header.logGuid === NO_GUID;
}

export async function readHeader(file: NamedBytes, signal?: AbortSignal): Promise<VhdxHeader> {
  const id = await readStruct(file, 0, 8, "le", "the header", signal);
  if (id.ascii(0, 8) !== FILE_SIGNATURE) throw insane(file.name, 0, "it does not begin with a VHDX header");
  let best: Fields | null = null;
  for (const at of HEADERS_AT) {
    const header = await readStruct(file, at, HEADER_BYTES, "le", "the header", signal);
    if (isSound(header.raw, "head") && (best === null || header.u64big(8) > best.u64big(8))) best = header;
  }
  if (best === null) throw insane(file.name, HEADERS_AT[0], "neither of its two headers is sound");
  const version = best.u16(66);
  if (version !== 1) throw insane(file.name, best.at + 66, `its VHDX version is ${version}; 1 is known`);
  const logAt = best.u64(72, "the log's offset");
  const logLength = best.u32(68);
  if (logAt % MIB !== 0 || logLength % MIB !== 0)
    throw insane(file.name, best.at + 68, `its log has ${logLength} bytes at ${logAt}`);
  return { logGuid: guidAt(best.raw, 48), logAt, logLength, dataWriteGuid: guidAt(best.raw, 32) };
}

/** Block table and metadata, each checked to lie in the file and apart from one another. */
export async function readRegions(file: NamedBytes, signal?: AbortSignal): Promise<{ bat: Range; metadata: Range }> {
  let table: Fields | null = null;
  for (const at of REGION_TABLES_AT) {
    const candidate = await readStruct(file, at, REGION_TABLE_BYTES, "le", "the region table", signal);
    if (isSound(candidate.raw, "regi")) {
      table = candidate;
      break;
    }
  }
  if (table === null) throw insane(file.name, REGION_TABLES_AT[0], "neither of its two region tables is sound");
  const count = table.u32(8);
  if (count > MAX_TABLE_ENTRIES) throw insane(file.name, table.at + 8, `its region table has ${count} entries`);
  const found = new Map<string, Range>();
  for (let i = 0; i < count; i++) {
    const pos = 16 + i * 32;
    const guid = guidAt(table.raw, pos);
    const at = table.u64(pos + 16, "a region's offset");
    const length = table.u32(pos + 24);
    const required = table.u32(pos + 28) % 2 === 1;
    if (guid !== REGION_BAT && guid !== REGION_METADATA) {
      if (required) throw unknownFeature(file.name, table.at + pos, `region ${guid}`);
      continue;
    }
    if (found.has(guid)) throw insane(file.name, table.at + pos, "its region table names a region twice");
    if (at % MIB !== 0 || length % MIB !== 0)
      throw insane(file.name, table.at + pos, `a region of ${length} bytes begins at ${at}`);
    if (at < MIB) throw overlap(file.name, table.at + pos + 16, "a region lies inside the headers");
    requireBytes(file, at, length, "a region");
    found.set(guid, { at, length });
  }
  const bat = found.get(REGION_BAT);
  const metadata = found.get(REGION_METADATA);
  if (bat === undefined || metadata === undefined)
    throw insane(file.name, table.at, "its region table lacks the block table or the metadata");
  if (bat.at < metadata.at + metadata.length && metadata.at < bat.at + bat.length) {
    throw overlap(file.name, table.at, "the block table and the metadata lie inside one another");
  }
  return { bat, metadata };
}

export async function readMetadata(file: NamedBytes, region: Range, signal?: AbortSignal): Promise<Metadata> {
  if (region.length < METADATA_TABLE_BYTES)
    throw insane(file.name, region.at, `its metadata has ${region.length} bytes`);
  const table = await readStruct(file, region.at, METADATA_TABLE_BYTES, "le", "the metadata", signal);
  if (table.ascii(0, 8) !== "metadata") throw insane(file.name, region.at, "its metadata table is not one");
  const count = table.u16(10);
  if (count > MAX_TABLE_ENTRIES) throw insane(file.name, region.at + 10, `its metadata table has ${count} entries`);
  const items = new Map<string, Fields>();
  let parentLocator: Range | null = null;
  for (let i = 0; i < count; i++) {
    const pos = 32 + i * 32;
    const guid = guidAt(table.raw, pos);
    const wanted = SIZES[guid];
    const offset = table.u32(pos + 16);
    const length = table.u32(pos + 20);
    const inside = offset >= METADATA_TABLE_BYTES && offset + length <= region.length;
    if (guid === ITEM_PARENT_LOCATOR) {
      if (!inside)
        throw insane(file.name, table.at + pos + 16, `its parent locator of ${length} bytes lies at ${offset}`);
      parentLocator = { at: region.at + offset, length };
      continue;
    }
    if (wanted === undefined) {
      if (guid !== ITEM_DISK_ID && hasBit(table.u32(pos + 24), ITEM_IS_REQUIRED))
        throw unknownFeature(file.name, table.at + pos, `metadata item ${guid}`);
      continue;
    }
    if (length !== wanted || !inside) {
      throw insane(file.name, table.at + pos + 16, `a metadata item of ${length} bytes lies at ${offset}`);
    }
    items.set(guid, await readStruct(file, region.at + offset, length, "le", "a metadata item", signal));
  }
  return { ...checkMetadata(file.name, region, items), parentLocator };
}

const SIZES: Readonly<Record<string, number>> = {
  [ITEM_FILE_PARAMETERS]: 8,
  [ITEM_DISK_SIZE]: 8,
  [ITEM_LOGICAL_SECTOR]: 4,
  [ITEM_PHYSICAL_SECTOR]: 4,
};

function checkMetadata(
  name: string,
  region: Range,
  items: ReadonlyMap<string, Fields>,
): Omit<Metadata, "parentLocator"> {
  const need = (guid: string, what: string) => {
    const item = items.get(guid);
    if (item === undefined) throw insane(name, region.at, `its metadata does not tell ${what}`);
    return item;
  };
  const params = need(ITEM_FILE_PARAMETERS, "the block size");
  const blockBytes = params.u32(0);
  const flags = params.u32(4);
  if (!Number.isInteger(Math.log2(blockBytes)) || blockBytes < MIN_BLOCK_BYTES || blockBytes > MAX_BLOCK_BYTES) {
    throw insane(name, params.at, `its blocks have ${blockBytes} bytes`);
  }
  const logical = need(ITEM_LOGICAL_SECTOR, "the sector size");
  const logicalSector = logical.u32(0);
  if (logicalSector !== 512 && logicalSector !== 4096)
    throw insane(name, logical.at, `its sectors have ${logicalSector} bytes`);
  const disk = need(ITEM_DISK_SIZE, "the disk's size");
  const size = disk.u64(0, "the disk's size");
  if (size > MAX_DISK_BYTES || size % logicalSector !== 0) throw insane(name, disk.at, `its disk has ${size} bytes`);
  return {
    blockBytes,
    fixed: hasBit(flags, PARAM_LEAVE_ALLOCATED),
    size,
    logicalSector,
    physicalSector: items.get(ITEM_PHYSICAL_SECTOR)?.u32(0) ?? logicalSector,
    hasParent: hasBit(flags, PARAM_HAS_PARENT),
  };
}

function hasBit(flags: number, bit: number): boolean {
  return (flags & bit) !== 0;
}

/** The format says: who does not know a required item must not open the file. */
function unknownFeature(name: string, offset: number, what: string) {
  return refused(
    name,
    offset,
    "image.vhdx-unknown-feature",
    `needs ${what}, which is not known here`,
    "Convert it to a plain VHDX with Convert-VHD.",
  );
}
