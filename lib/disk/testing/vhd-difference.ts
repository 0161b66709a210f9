/** Differencing VHDs as Hyper-V lays them out; libvhdi reads them as well, apart from our reader. */
import { randomBytes } from "node:crypto";
import { mendVhd } from "./mend.ts";

const SECTOR = 512;
const FOOTER = 512;
const HEADER_AT = 512;
const TABLE_AT = 1536;

export interface VhdDifference {
  /** Bytes. */
  readonly size: number;
  /** Unique id of the parent's footer. */
  readonly parentId: Uint8Array;
  /** Platform code → path. */
  readonly locators: Readonly<Record<string, string>>;
  readonly parentName?: string;
  /** Sector → its 512 bytes. */
  readonly sectors: ReadonlyMap<number, Uint8Array>;
  readonly blockBytes?: number;
  readonly creator?: string;
}

/** The unique id in a VHD's footer. */
export function vhdUniqueId(image: Buffer): Buffer {
  return Buffer.from(image.subarray(image.length - FOOTER + 68, image.length - FOOTER + 84));
}

export function makeVhdDifference(d: VhdDifference): Buffer {
  const blockBytes = d.blockBytes ?? 2_097_152;
  const perBlock = blockBytes / SECTOR;
  const bitmapBytes = Math.ceil(perBlock / 8 / SECTOR) * SECTOR;
  const entries = Math.ceil(d.size / blockBytes);
  const tableBytes = Math.ceil((entries * 4) / SECTOR) * SECTOR;
  const locatorsAt = TABLE_AT + tableBytes;
  const codes = Object.entries(d.locators);
  const dataAt = locatorsAt + codes.length * SECTOR;

  const head = Buffer.alloc(dataAt);
  head.fill(0xff, TABLE_AT, locatorsAt);
  footer(d).copy(head);
  const h = head.subarray(HEADER_AT, TABLE_AT);
  h.write("cxsparse", 0, "latin1");
  h.fill(0xff, 8, 16);
  h.writeBigUInt64BE(BigInt(TABLE_AT), 16);
  h.writeUInt32BE(0x0001_0000, 24);
  h.writeUInt32BE(entries, 28);
  h.writeUInt32BE(blockBytes, 32);
  h.set(d.parentId, 40);
  Buffer.from(d.parentName ?? "", "utf16le")
    .swap16()
    .copy(h, 64);
  for (const [i, [code, path]] of codes.entries()) {
    const bytes = Buffer.from(path, code === "MacX" ? "utf8" : "utf16le");
    const at = locatorsAt + i * SECTOR;
    bytes.copy(head, at);
    h.write(code, 576 + i * 24, "latin1");
    h.writeUInt32BE(SECTOR, 576 + i * 24 + 4);
    h.writeUInt32BE(bytes.length, 576 + i * 24 + 8);
    h.writeBigUInt64BE(BigInt(at), 576 + i * 24 + 16);
  }

  const parts = [head];
  let at = dataAt;
  for (const [block, members] of Map.groupBy([...d.sectors.keys()], (sector) => Math.floor(sector / perBlock))) {
    const stored = Buffer.alloc(bitmapBytes + blockBytes, 0xee);
    stored.fill(0, 0, bitmapBytes);
    for (const sector of members) {
      const within = sector % perBlock;
      const byte = Math.floor(within / 8);
      stored.writeUInt8((stored[byte] ?? 0) + 2 ** (7 - (within % 8)), byte);
      stored.set(d.sectors.get(sector) ?? [], bitmapBytes + within * SECTOR);
    }
    head.writeUInt32BE(at / SECTOR, TABLE_AT + block * 4);
    parts.push(stored);
    at += stored.length;
  }
  const image = Buffer.concat([...parts, head.subarray(0, FOOTER)]);
  mendVhd(image);
  return image;
}

function footer({ size, creator }: VhdDifference): Buffer {
  const b = Buffer.alloc(FOOTER);
  b.write("conectix", 0, "latin1");
  b.writeUInt32BE(2, 8);
  b.writeUInt32BE(0x0001_0000, 12);
  b.writeBigUInt64BE(BigInt(HEADER_AT), 16);
  b.write(creator ?? "win ", 28, "latin1");
  b.writeUInt32BE(0x000a_0000, 32);
  b.write("Wi2k", 36, "latin1");
  b.writeBigUInt64BE(BigInt(size), 40);
  b.writeBigUInt64BE(BigInt(size), 48);
  b.writeUInt32BE(4, 60);
  randomBytes(16).copy(b, 68);
  return b;
}
