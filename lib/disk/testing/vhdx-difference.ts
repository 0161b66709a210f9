/** Differencing VHDXs as Hyper-V lays them out; libvhdi reads them as well, apart from our reader. */
import { mendVhdx } from "./mend.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const LOCATOR_ITEM = "2d5fd3a80bb34d45abf7d3d84834ab0c";
const LOCATOR_TYPE = "b7ef4ab09ed1814ab78925b8e9445913";

export interface VhdxDifference {
  /** Key → value of the parent locator; `parent_linkage` among them. */
  readonly locator: Readonly<Record<string, string>>;
  /** Sector → its bytes; blocks with some become partially present. */
  readonly sectors?: ReadonlyMap<number, Uint8Array>;
  /** Block → all of its bytes. */
  readonly blocks?: ReadonlyMap<number, Uint8Array>;
  /** Block → state without data: 1 undefined, 2 zero, 3 unmapped. */
  readonly states?: ReadonlyMap<number, number>;
}

/** The data write GUID of the header that counts, as text in braces. */
export function vhdxLinkage(image: Buffer): string {
  const [a, b] = [64 * KIB, 128 * KIB];
  const at = image.readBigUInt64LE(a + 8) > image.readBigUInt64LE(b + 8) ? a : b;
  const raw = image.subarray(at + 32, at + 48);
  const turned = Buffer.concat([
    Buffer.from(raw.subarray(0, 4)).reverse(),
    Buffer.from(raw.subarray(4, 6)).reverse(),
    Buffer.from(raw.subarray(6, 8)).reverse(),
    raw.subarray(8),
  ]);
  return `{${turned.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")}}`;
}

/** `empty`: a dynamic VHDX without data, of the same size; it gives headers, regions and sizes. */
export function makeVhdxDifference(empty: Buffer, d: VhdxDifference): Buffer {
  const head = Buffer.from(empty);
  const region = (index: number) => Number(head.readBigUInt64LE(192 * KIB + 16 + index * 32 + 16));
  // Block table first, then metadata, as our writer and qemu have them.
  const [table, metadata] = [region(0), region(1)];
  const item = (index: number) => metadata + head.readUInt32LE(metadata + 32 + index * 32 + 16);
  const blockBytes = head.readUInt32LE(item(0));
  const sectorBytes = head.readUInt32LE(item(3));
  const ratio = (2 ** 23 * sectorBytes) / blockBytes;
  const perBlock = blockBytes / sectorBytes;
  head.writeUInt32LE(2, item(0) + 4);
  putLocator(head, metadata, d.locator);

  const parts: Uint8Array[] = [head];
  let at = Math.ceil(head.length / MIB) * MIB;
  if (at > head.length) parts.push(Buffer.alloc(at - head.length));
  const entry = (index: number, state: number, offset: number) =>
    head.writeBigUInt64LE(BigInt(offset / MIB) * 2n ** 20n + BigInt(state), table + index * 8);
  const entryOf = (block: number) => block + Math.floor(block / ratio);
  const append = (index: number, state: number, bytes: Uint8Array) => {
    entry(index, state, at);
    parts.push(bytes);
    at += bytes.length;
  };
  for (const [block, state] of d.states ?? []) entry(entryOf(block), state, 0);
  for (const [block, bytes] of d.blocks ?? []) append(entryOf(block), 6, bytes);

  const bitmaps = new Map<number, Buffer>();
  const byBlock = Map.groupBy([...(d.sectors ?? new Map<number, Uint8Array>())], ([sector]) =>
    Math.floor(sector / perBlock),
  );
  for (const [block, members] of byBlock) {
    const bytes = Buffer.alloc(blockBytes, 0xee);
    const chunk = Math.floor(block / ratio);
    const bitmap = bitmaps.get(chunk) ?? Buffer.alloc(MIB);
    bitmaps.set(chunk, bitmap);
    for (const [sector, content] of members) {
      bytes.set(content, (sector % perBlock) * sectorBytes);
      const bit = sector % 2 ** 23;
      const byte = Math.floor(bit / 8);
      bitmap.writeUInt8((bitmap[byte] ?? 0) + 2 ** (bit % 8), byte);
    }
    append(entryOf(block), 7, bytes);
  }
  for (const [chunk, bitmap] of bitmaps) append(chunk * (ratio + 1) + ratio, 6, bitmap);
  const image = Buffer.concat(parts);
  mendVhdx(image);
  return image;
}

function putLocator(head: Buffer, metadata: number, locator: Readonly<Record<string, string>>): void {
  const entries = Object.entries(locator).map(([key, value]) => [key, value].map((t) => Buffer.from(t, "utf16le")));
  const length = 20 + entries.length * 12 + entries.flat().reduce((sum, text) => sum + text.length, 0);
  const offset = 128 * KIB;
  const b = head.subarray(metadata + offset, metadata + offset + length);
  b.fill(0);
  Buffer.from(LOCATOR_TYPE, "hex").copy(b);
  b.writeUInt16LE(entries.length, 18);
  let at = 20 + entries.length * 12;
  for (const [i, [key = Buffer.alloc(0), value = Buffer.alloc(0)]] of entries.entries()) {
    const pos = 20 + i * 12;
    b.writeUInt32LE(at, pos);
    b.writeUInt32LE(at + key.length, pos + 4);
    b.writeUInt16LE(key.length, pos + 8);
    b.writeUInt16LE(value.length, pos + 10);
    key.copy(b, at);
    value.copy(b, at + key.length);
    at += key.length + value.length;
  }
  const count = head.readUInt16LE(metadata + 10);
  const pos = metadata + 32 + count * 32;
  Buffer.from(LOCATOR_ITEM, "hex").copy(head, pos);
  head.writeUInt32LE(offset, pos + 16);
  head.writeUInt32LE(length, pos + 20);
  head.writeUInt32LE(4, pos + 24);
  head.writeUInt16LE(count + 1, metadata + 10);
}
