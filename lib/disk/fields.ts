/** Reading a struct out of a file: lengths are checked before memory is asked for, numbers before they are used. */
import { insane, truncated } from "./image-error.ts";
import type { ByteSource } from "./io.ts";

export type ByteOrder = "le" | "be";

/** A file with the name that messages call it. ImageFile is one. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: ByteSource;
}

/** Fields of one struct by byte offset inside it. Reading past its end is a bug, not bad input: it throws RangeError. */
export class Fields {
  readonly raw: Buffer;
  /** Offset of the struct in its file. */
  readonly at: number;
  readonly #name: string;
  readonly #order: ByteOrder;

  constructor(name: string, at: number, raw: Buffer, order: ByteOrder) {
    this.#name = name;
    this.at = at;
    this.raw = raw;
    this.#order = order;
  }

  u8(offset: number): number {
    return this.raw.readUInt8(offset);
  }

  u16(offset: number): number {
    return this.#order === "le" ? this.raw.readUInt16LE(offset) : this.raw.readUInt16BE(offset);
  }

  u32(offset: number): number {
    return this.#order === "le" ? this.raw.readUInt32LE(offset) : this.raw.readUInt32BE(offset);
  }

  /** Throws `image.header-insane` when the number is 2^53 or more. */
  u64(offset: number, what: string): number {
    const big = this.u64big(offset);
    if (big > BigInt(Number.MAX_SAFE_INTEGER)) throw insane(this.#name, this.at + offset, `${what} is ${big}`);
    return Number(big);
  }

  u64big(offset: number): bigint {
    return this.#order === "le" ? this.raw.readBigUInt64LE(offset) : this.raw.readBigUInt64BE(offset);
  }

  ascii(offset: number, length: number): string {
    return this.raw.toString("latin1", offset, offset + length);
  }
}

/** Reads `length` bytes at `offset`. Throws `image.truncated` before allocating when the file is shorter. */
export async function readStruct(
  file: NamedBytes,
  offset: number,
  length: number,
  order: ByteOrder,
  what: string,
  signal?: AbortSignal,
): Promise<Fields> {
  requireBytes(file, offset, length, what);
  const raw = Buffer.alloc(length);
  await file.bytes.read(offset, raw, signal);
  return new Fields(file.name, offset, raw, order);
}

/** Throws `image.truncated` unless [offset, offset + length) lies inside the file. */
export function requireBytes(file: NamedBytes, offset: number, length: number, what: string): void {
  if (!Number.isSafeInteger(offset + length) || offset + length > file.bytes.size) {
    throw truncated(
      file.name,
      offset,
      `${what} at byte ${offset} needs ${length} bytes, the file has ${file.bytes.size}`,
      {
        needed: offset + length,
        size: file.bytes.size,
      },
    );
  }
}
