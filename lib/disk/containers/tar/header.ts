/** The 512-byte header of a tar entry. Source: POSIX.1-2017 "pax", ustar interchange format; GNU tar manual, base-256. */
import { insane } from "../../image-error.ts";

export const TAR_BLOCK = 512;
/** What eleven octal digits can say. */
const LARGEST_OCTAL = 8 ** 11 - 1;

export interface TarHeader {
  readonly name: string;
  /** `0` plain file, `5` folder, `L` long name of GNU, `x` and `g` extended headers of pax … */
  readonly type: string;
  readonly size: number;
}

const CHECKSUM_AT = 148;
const CHECKSUM_BYTES = 8;

/** Whether the bytes can be a header: its checksum is right. Old writers summed signed bytes. */
export function looksLikeTar(block: Uint8Array): boolean {
  if (block.length < TAR_BLOCK || block[0] === 0) return false;
  const stored = octal(Buffer.from(block.buffer, block.byteOffset + CHECKSUM_AT, CHECKSUM_BYTES));
  if (stored === null) return false;
  let unsigned = 0;
  let signed = 0;
  for (let i = 0; i < TAR_BLOCK; i++) {
    const byte = i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_BYTES ? 0x20 : (block[i] ?? 0);
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  return stored === unsigned || stored === signed;
}

/** Throws `image.header-insane`. `at`: of the header in the file. */
export function decodeTarHeader(file: string, at: number, block: Buffer): TarHeader {
  if (!looksLikeTar(block)) throw insane(file, at, `the archive's header at byte ${at} has a wrong checksum`);
  const type = String.fromCharCode(block[156] ?? 0);
  const ustar = text(block, 257, 5) === "ustar";
  const gnu = text(block, 257, 8).startsWith("ustar ");
  const prefix = ustar && !gnu ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    type: type === "\0" ? "0" : type,
    size: sizeField(file, at, block.subarray(124, 136)),
  };
}

function sizeField(file: string, at: number, field: Buffer): number {
  const value = tarNumber(field);
  if (value === null) throw insane(file, at + 124, `the archive's header at byte ${at} has no readable size`);
  return value;
}

/** In octal digits, or in base 256. Null when it is neither, or too large. */
export function tarNumber(field: Buffer): number | null {
  const first = field[0] ?? 0;
  if (first !== 0x80) return first > 0x7f ? null : octal(field);
  // The sign bit aside: eleven bytes, of which ours may use the last seven.
  let value = 0;
  for (const byte of field.subarray(1)) {
    value = value * 256 + byte;
    if (!Number.isSafeInteger(value)) return null;
  }
  return value;
}

/** Null when it is none. Spaces before it and NUL or space behind it are usual. */
function octal(field: Buffer): number | null {
  const digits = /^[ \0]*([0-7]{0,12})[ \0]*/.exec(field.toString("latin1"));
  if (digits === null || digits[0].length !== field.length) return null;
  return digits[1] === undefined || digits[1] === "" ? 0 : Number.parseInt(digits[1], 8);
}

function text(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at);
  return block.toString("utf8", at, end === -1 || end > at + length ? at + length : end);
}

/** A ustar header of a plain file. Sizes of 8 GiB and more are written in base 256, as GNU tar and VirtualBox do. */
export function encodeTarHeader(name: string, size: number, modified = 0): Buffer {
  const bytes = Buffer.alloc(TAR_BLOCK);
  const put = (at: number, length: number, value: number) =>
    bytes.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "latin1");
  if (Buffer.byteLength(name) > 100) throw new RangeError("the name of an entry is too long");
  bytes.write(name, 0, "utf8");
  put(100, 8, 0o644);
  put(108, 8, 0);
  put(116, 8, 0);
  if (size <= LARGEST_OCTAL) put(124, 12, size);
  else {
    bytes[124] = 0x80;
    bytes.writeBigUInt64BE(BigInt(size), 128);
  }
  put(136, 12, modified);
  bytes.fill(" ", CHECKSUM_AT, CHECKSUM_AT + CHECKSUM_BYTES);
  bytes.write("0", 156, "latin1");
  bytes.write("ustar\x0000", 257, "latin1");
  const sum = bytes.reduce((all, byte) => all + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, CHECKSUM_AT, "latin1");
  return bytes;
}

/** Bytes that fill an entry's last block. */
export function tarPadding(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}
