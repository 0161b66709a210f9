/** VHDX images that a crash has left with a log to apply: its entries written down from the specification a second time. */
import { crc32c } from "../formats/vhdx/crc32c.ts";

const KIB = 1024;
const MIB = 1_048_576;

/** Where our writer has its log, a ring of 1 MiB, and its block table. */
export const VHDX_LOG_AT = MIB;
export const VHDX_TABLE_AT = 3 * MIB;
export const VHDX_LOG_GUID = Buffer.from("00112233445566778899aabbccddeeff", "hex");

export type LoggedChange =
  | { readonly at: number; readonly page: Buffer }
  | { readonly at: number; readonly clear: number };

export function vhdxLogEntry(
  sequence: bigint,
  tail: number,
  changes: readonly LoggedChange[],
  fileLength: number,
): Buffer {
  const pages = changes.filter((c) => "page" in c);
  const head = Buffer.alloc(4096);
  const length = 4096 * (1 + pages.length);
  head.write("loge", 0, "latin1");
  head.writeUInt32LE(length, 8);
  head.writeUInt32LE(tail, 12);
  head.writeBigUInt64LE(sequence, 16);
  head.writeUInt32LE(changes.length, 24);
  VHDX_LOG_GUID.copy(head, 32);
  head.writeBigUInt64LE(BigInt(fileLength), 48);
  head.writeBigUInt64LE(BigInt(fileLength), 56);
  const sectors: Buffer[] = [];
  changes.forEach((change, i) => {
    const pos = 64 + i * 32;
    head.writeBigUInt64LE(BigInt(change.at), pos + 16);
    head.writeBigUInt64LE(sequence, pos + 24);
    if ("clear" in change) {
      head.write("zero", pos, "latin1");
      head.writeBigUInt64LE(BigInt(change.clear), pos + 8);
      return;
    }
    head.write("desc", pos, "latin1");
    change.page.copy(head, pos + 4, 4092, 4096);
    change.page.copy(head, pos + 8, 0, 8);
    const sector = Buffer.from(change.page);
    sector.write("data", 0, "latin1");
    sector.writeUInt32LE(Number(sequence / 2n ** 32n), 4);
    sector.writeUInt32LE(Number(sequence % 2n ** 32n), 4092);
    sectors.push(sector);
  });
  const entry = Buffer.concat([head, ...sectors]);
  entry.writeUInt32LE(crc32c(entry, 4), 4);
  return entry;
}

/** The clean image, one of ours, with these entries in its log, each at its offset in the ring. */
export function crashedVhdx(clean: Buffer, entries: readonly (readonly [number, Buffer])[]): Buffer {
  const image = Buffer.from(clean);
  for (const [at, entry] of entries) {
    for (let i = 0; i < entry.length; i += 4096) entry.copy(image, VHDX_LOG_AT + ((at + i) % MIB), i, i + 4096);
  }
  for (const at of [64 * KIB, 128 * KIB]) {
    VHDX_LOG_GUID.copy(image, at + 48);
    image.writeUInt32LE(crc32c(image.subarray(at, at + 4096), 4), at + 4);
  }
  return image;
}
