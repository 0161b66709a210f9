/**
 * Files that tar stored with their holes left out. Source: GNU tar manual, "Storing Sparse Files": the old format of GNU,
 * and the pax formats 0.0, 0.1 and 1.0.
 */
import { AppError } from "#lib/errors.ts";
import { readStruct, type NamedBytes } from "../../fields.ts";
import { insane } from "../../image-error.ts";
import type { ByteSource } from "../../io.ts";
import { TAR_BLOCK, tarNumber } from "./header.ts";

export interface SparsePart {
  readonly offset: number;
  readonly length: number;
}

export interface SparseMap {
  /** Of the file with its holes. */
  readonly size: number;
  /** Sorted and disjoint; stored behind one another. */
  readonly parts: readonly SparsePart[];
}

/** Each costs some memory: 64 MiB of them describe a disk of terabytes. */
const MOST_PARTS = 1_000_000;
const MOST_MAP_BYTES = 32 * 1024 * 1024;
const PAIR = 24;

/** Of an entry of type `S`; answers also how many blocks of the map follow the header. */
export async function oldSparseMap(
  file: NamedBytes,
  headerAt: number,
  header: Buffer,
  signal?: AbortSignal,
): Promise<{ map: SparseMap; blocks: number }> {
  const parts: SparsePart[] = [];
  const add = (block: Buffer, at: number, from: number, count: number): void => {
    for (let i = 0; i < count; i++) {
      const offset = tarNumber(block.subarray(from + i * PAIR, from + i * PAIR + 12));
      const length = tarNumber(block.subarray(from + i * PAIR + 12, from + (i + 1) * PAIR));
      if (offset === null || length === null) throw insane(file.name, at, "the map of a sparse file cannot be read");
      if (offset === 0 && length === 0) return;
      parts.push({ offset, length });
    }
  };
  add(header, headerAt, 386, 4);
  let blocks = 0;
  for (let more = header[482] === 1; more; blocks++) {
    const at = headerAt + TAR_BLOCK * (blocks + 1);
    if (parts.length > MOST_PARTS) throw insane(file.name, at, "the map of a sparse file has too many parts");
    const { raw } = await readStruct(file, at, TAR_BLOCK, "be", "the map of a sparse file", signal);
    add(raw, at, 0, 21);
    more = raw[504] === 1;
  }
  const size = tarNumber(header.subarray(483, 495));
  if (size === null) throw insane(file.name, headerAt, "a sparse file has no readable size");
  return { map: checked(file.name, headerAt, size, parts), blocks };
}

/** What the extended header of pax says of a sparse file. */
export interface PaxSparse {
  readonly major: string;
  readonly size: string;
  readonly name: string | null;
  /** Formats 0.0 and 0.1: offsets and lengths in turns. */
  readonly numbers: readonly string[];
}

/** Answers also how many bytes of the entry's data the map takes. */
export async function paxSparseMap(
  file: NamedBytes,
  at: number,
  stored: number,
  said: PaxSparse,
  signal?: AbortSignal,
): Promise<{ map: SparseMap; mapBytes: number }> {
  if (said.major !== "1") return { map: paired(file.name, at, said.size, said.numbers), mapBytes: 0 };
  // 1.0: numbers in lines, their count first, in whole blocks before the data.
  let text = "";
  let wanted = 1;
  let mapBytes = 0;
  let lines = 0;
  for (let more = true; more; ) {
    if (mapBytes >= MOST_MAP_BYTES || mapBytes + TAR_BLOCK > stored)
      throw insane(file.name, at, "the map of a sparse file does not end");
    const length = Math.min(16_384, stored - (stored % TAR_BLOCK) - mapBytes, wanted > 64 ? 16_384 : TAR_BLOCK);
    const { raw } = await readStruct(file, at + mapBytes, length, "be", "the map of a sparse file", signal);
    for (let from = 0; from < length && more; from += TAR_BLOCK) {
      const block = raw.toString("latin1", from, from + TAR_BLOCK);
      mapBytes += TAR_BLOCK;
      if (lines === 0) {
        const count = Number(/^\d{1,9}(?=\n)/.exec(block)?.[0] ?? Number.NaN);
        if (!(count <= MOST_PARTS)) throw insane(file.name, at, "the map of a sparse file has too many parts");
        wanted = 1 + 2 * count;
      }
      for (let i = block.indexOf("\n"); i !== -1; i = block.indexOf("\n", i + 1)) lines++;
      text += block;
      more = lines < wanted;
    }
  }
  return { map: paired(file.name, at, said.size, text.split("\n").slice(1, wanted)), mapBytes };
}

function paired(name: string, at: number, size: string, numbers: readonly string[]): SparseMap {
  if (!/^\d{1,16}$/.test(size) || numbers.length % 2 === 1 || numbers.length > 2 * MOST_PARTS)
    throw insane(name, at, "the map of a sparse file cannot be read");
  const parts: SparsePart[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    const [offset = "", length = ""] = [numbers[i], numbers[i + 1]];
    if (!/^\d{1,16}$/.test(offset) || !/^\d{1,16}$/.test(length))
      throw insane(name, at, "the map of a sparse file cannot be read");
    parts.push({ offset: Number(offset), length: Number(length) });
  }
  return checked(name, at, Number(size), parts);
}

function checked(name: string, at: number, size: number, parts: readonly SparsePart[]): SparseMap {
  let end = 0;
  const used = parts.filter(({ length }) => length > 0);
  for (const { offset, length } of used) {
    if (offset < end || !Number.isSafeInteger(offset + length) || offset + length > size)
      throw insane(name, at, "the map of a sparse file is out of order");
    end = offset + length;
  }
  return { size, parts: used };
}

/** The file with its holes. `stored`: its parts, behind one another. Throws `image.header-insane` when they are fewer. */
export function withHoles(stored: ByteSource, { size, parts }: SparseMap, name: string, at: number): ByteSource {
  const places: number[] = [];
  let sum = 0;
  for (const { length } of parts) {
    places.push(sum);
    sum += length;
  }
  if (sum > stored.size) throw insane(name, at, "a sparse file holds less than its map says");
  /** The first part that ends behind `offset`. */
  const partAt = (offset: number): number => {
    let low = 0;
    for (let high = parts.length; low < high; ) {
      const middle = Math.floor((low + high) / 2);
      const part = parts[middle];
      if (part !== undefined && part.offset + part.length <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    size,
    async *allocated() {
      yield* parts;
    },
    async read(offset, into, signal) {
      if (!Number.isSafeInteger(offset) || offset < 0 || offset + into.length > size)
        throw new AppError(
          "unprocessable",
          "io.short-read",
          `${name} was asked for byte ${offset + into.length} of ${size}.`,
          {
            details: { offset, size },
          },
        );
      into.fill(0);
      const end = offset + into.length;
      for (let i = partAt(offset); i < parts.length; i++) {
        const part = parts[i];
        if (part === undefined || part.offset >= end) return;
        const from = Math.max(part.offset, offset);
        const to = Math.min(part.offset + part.length, end);
        await stored.read((places[i] ?? 0) + from - part.offset, into.subarray(from - offset, to - offset), signal);
      }
    },
    [Symbol.asyncDispose]: () => stored[Symbol.asyncDispose](),
  };
}
