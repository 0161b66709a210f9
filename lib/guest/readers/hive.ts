/**
 * Values of a Windows registry hive, by path. Source: the format as the libhivex and Windows registry file
 * specifications describe it. Bounded: the hive may be hostile.
 */
import type { FileBytes } from "./ntfs.ts";

const BINS = 4096;
/** Keys and lists that are looked at for one path. */
const MOST_CELLS = 20_000;
/** Lists of lists of one key. */
const MOST_LISTS = 4096;
const MOST_CELL = 64 * 1024;
const MOST_VALUES = 1024;

type Read = (cell: number, least: number) => Promise<Buffer | null>;

/** Values of the key as text, by their names; null: the key is not there. `path` with backslashes. */
export async function hiveValues(
  hive: FileBytes,
  path: string,
  names: readonly string[],
): Promise<Map<string, string> | null> {
  const head = await hive.read(0, 64);
  if (head === null || head.toString("latin1", 0, 4) !== "regf") return null;
  let left = MOST_CELLS;
  const read: Read = async (cell, least) => {
    left -= 1;
    if (left < 0) return null;
    const at = BINS + cell;
    const size = await hive.read(at, 4);
    // A cell in use has a negative size, which counts these four bytes too.
    const length = size === null ? 0 : -size.readInt32LE(0) - 4;
    return length < least ? null : hive.read(at + 4, Math.min(length, MOST_CELL));
  };
  let key = await read(head.readUInt32LE(36), 76);
  for (const part of path.split("\\")) {
    if (key === null || key.toString("latin1", 0, 2) !== "nk") return null;
    key = await subkey(read, key, part.toUpperCase());
  }
  return key === null ? null : valuesOf(read, key, names);
}

async function subkey(read: Read, key: Buffer, name: string): Promise<Buffer | null> {
  if (key.readUInt32LE(20) === 0) return null;
  const lists = [key.readUInt32LE(28)];
  for (let list = lists.shift(); list !== undefined; list = lists.shift()) {
    const bytes = await read(list, 4);
    if (bytes === null) return null;
    const kind = bytes.toString("latin1", 0, 2);
    const width = kind === "lf" || kind === "lh" ? 8 : 4;
    const end = Math.min(bytes.length, 4 + bytes.readUInt16LE(2) * width);
    for (let at = 4; at + width <= end; at += width) {
      const cell = bytes.readUInt32LE(at);
      if (kind === "ri" && lists.length < MOST_LISTS) lists.push(cell);
      else if (kind === "ri") return null;
      else if (kind !== "lh" || bytes.readUInt32LE(at + 4) === hashOf(name)) {
        const found = await read(cell, 76);
        if (found === null) return null;
        if (
          found.toString("latin1", 0, 2) === "nk" &&
          nameAt(found, 76, found.readUInt16LE(72), found.readUInt16LE(2) & 0x20).toUpperCase() === name
        )
          return found;
      }
    }
  }
  return null;
}

function hashOf(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i += 1) hash = (hash * 37 + name.charCodeAt(i)) % 2 ** 32;
  return hash;
}

/** One byte a character where a flag says so. */
const nameAt = (cell: Buffer, at: number, length: number, narrow: number): string =>
  cell.toString(narrow === 0 ? "utf16le" : "latin1", at, at + length);

async function valuesOf(read: Read, key: Buffer, names: readonly string[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const count = Math.min(key.readUInt32LE(36), MOST_VALUES);
  const list = count === 0 ? null : await read(key.readUInt32LE(40), count * 4);
  for (let index = 0; list !== null && index < count; index += 1) {
    const value = await read(list.readUInt32LE(index * 4), 20);
    if (value === null || value.toString("latin1", 0, 2) !== "vk") continue;
    const name = nameAt(value, 20, value.readUInt16LE(2), value.readUInt16LE(16) & 1);
    // Text only; the highest bit of the size means that the data stands in the value itself.
    const size = value.readUInt32LE(4);
    if (!names.includes(name) || value.readUInt32LE(12) !== 1 || size >= 2 ** 31) continue;
    const data = await read(value.readUInt32LE(8), size);
    if (data !== null) found.set(name, data.toString("utf16le", 0, Math.min(size, 400)).split("\0", 1)[0] ?? "");
  }
  return found;
}
