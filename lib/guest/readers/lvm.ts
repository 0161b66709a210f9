/**
 * Logical volumes of an LVM2 physical volume that lie on it alone, in a line. Source: the on-disk format as lvm2's own
 * sources describe it. Bounded: the metadata may be hostile.
 */
import { type LvmSection, parseLvmText } from "./lvm-text.ts";
import { u64, type Window } from "../window.ts";

const SECTOR = 512;
const MOST_TEXT = 1024 * 1024;
const MOST_AREAS = 16;
const MOST_VOLUMES = 256;
const MOST_SEGMENTS = 1024;

interface LogicalVolume {
  readonly name: string;
  /** Null: it lies on other disks too, or is striped, mirrored, thin or a snapshot. */
  readonly content: Window | null;
}

interface VolumeGroup {
  readonly name: string;
  readonly volumes: readonly LogicalVolume[];
}

/** Null: no metadata that can be read. */
export async function readLvm(part: Window): Promise<VolumeGroup | null> {
  const label = await part.read(0, Math.min(part.size, 4 * SECTOR));
  if (label === null) return null;
  for (let at = 0; at + SECTOR <= label.length; at += SECTOR) {
    if (label.toString("latin1", at, at + 8) !== "LABELONE") continue;
    const header = label.subarray(at, at + SECTOR);
    const from = header.readUInt32LE(20);
    if (from < 32 || from + 40 > SECTOR) return null;
    const id = header.toString("latin1", from, from + 32);
    for (const area of metadataAreas(header, from + 40)) {
      const group = groupOf(await readText(part, area), id, part);
      if (group !== null) return group;
    }
  }
  return null;
}

/** Two lists of places, each ended by an empty one: data, then metadata. */
function metadataAreas(header: Buffer, from: number): number[] {
  const found: number[] = [];
  let list = 0;
  for (let at = from; at + 16 <= header.length && list < 2 && found.length < MOST_AREAS; at += 16) {
    const offset = u64(header, at);
    if (offset === 0) list += 1;
    else if (list === 1 && offset !== null) found.push(offset);
  }
  return found;
}

async function readText(part: Window, area: number): Promise<string | null> {
  const header = await part.read(area, SECTOR);
  if (header === null || header.toString("latin1", 4, 20) !== " LVM2 x[5A%r0N*>") return null;
  const [size, offset, length] = [u64(header, 32), u64(header, 40), u64(header, 48)];
  if (size === null || offset === null || length === null) return null;
  if (length === 0 || length > MOST_TEXT || offset < SECTOR || offset >= size || length > size - SECTOR) return null;
  // The area is a ring behind its header.
  const first = Math.min(length, size - offset);
  const head = await part.read(area + offset, first);
  const rest = first < length ? await part.read(area + SECTOR, length - first) : Buffer.alloc(0);
  return head === null || rest === null ? null : Buffer.concat([head, rest]).toString("utf8");
}

const section = (value: unknown): LvmSection | null => (value instanceof Map ? (value as LvmSection) : null);

/** As LVM itself takes them (lvm(8), "valid names"). */
const NAME = /^[\w+.-]{1,127}$/;

function groupOf(text: string | null, id: string, part: Window): VolumeGroup | null {
  const parsed = text === null ? null : parseLvmText(text);
  for (const [name, value] of parsed ?? []) {
    const group = section(value);
    const disks = section(group?.get("physical_volumes"));
    const extent = group?.get("extent_size");
    if (!NAME.test(name) || group === null || disks === null || typeof extent !== "number" || extent <= 0) continue;
    for (const [disk, description] of disks) {
      const described = section(description);
      const start = described?.get("pe_start");
      if (String(described?.get("id")).replaceAll("-", "") !== id || typeof start !== "number") continue;
      const own = { disk, start: start * SECTOR, extent: extent * SECTOR };
      const volumes = [...(section(group.get("logical_volumes")) ?? [])].slice(0, MOST_VOLUMES);
      return {
        name,
        volumes: volumes.flatMap(([volume, each]) => {
          const stands = section(each);
          return stands === null || !NAME.test(volume) || !isVisible(stands)
            ? []
            : [{ name: volume, content: linear(stands, own, part) }];
        }),
      };
    }
  }
  return null;
}

/** Parts of mirrors, pools and the like have names, but are nobody's to use. */
function isVisible(volume: LvmSection): boolean {
  const status = volume.get("status");
  return Array.isArray(status) && status.includes("VISIBLE");
}

interface Piece {
  /** Bytes, in the volume and on the disk. */
  readonly at: number;
  readonly place: number;
  readonly length: number;
}

function linear(volume: LvmSection, own: { disk: string; start: number; extent: number }, part: Window): Window | null {
  const pieces: Piece[] = [];
  const count = volume.get("segment_count");
  if (typeof count !== "number" || count < 1 || count > MOST_SEGMENTS) return null;
  let at = 0;
  for (let index = 1; index <= count; index += 1) {
    const segment = section(volume.get(`segment${index}`));
    const extents = segment?.get("extent_count");
    const stripes = segment?.get("stripes");
    if (segment?.get("type") !== "striped" || segment.get("stripe_count") !== 1 || typeof extents !== "number")
      return null;
    const [disk, first] = Array.isArray(stripes) ? stripes : [];
    if (disk !== own.disk || typeof first !== "number" || extents <= 0 || first < 0) return null;
    const length = extents * own.extent;
    pieces.push({ at, place: own.start + first * own.extent, length });
    at += length;
  }
  return Number.isSafeInteger(at) ? windowOfPieces(part, pieces, at) : null;
}

function windowOfPieces(part: Window, pieces: readonly Piece[], size: number): Window {
  return {
    size,
    async read(offset, length) {
      if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || offset + length > size) return null;
      const found: Buffer[] = [];
      for (const piece of pieces) {
        const from = Math.max(offset, piece.at);
        const to = Math.min(offset + length, piece.at + piece.length);
        if (from >= to) continue;
        const bytes = await part.read(piece.place + from - piece.at, to - from);
        if (bytes === null) return null;
        found.push(bytes);
      }
      return found.length === 1 ? (found[0] ?? null) : Buffer.concat(found);
    },
  };
}
