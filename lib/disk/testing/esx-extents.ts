/**
 * Sparse extents as ESX writes them, of which no program here is the author; qemu-img reads both, so that they and our
 * readers are checked apart from one another.
 */

const SECTOR = 512;

/** What one grain is: its bytes, zeros that hide the parent's, or nothing of its own. */
export type Grain = Uint8Array | "zero" | "unmapped" | null;

/** `COWD`: grains of `grainSectors`, 4,096 a table. It has no way to say zeros. */
export function makeCowd(sectors: number, grains: ReadonlyMap<number, Uint8Array>, grainSectors = 1): Buffer {
  const tables = Math.ceil(sectors / (4096 * grainSectors));
  const directoryAt = 4;
  const directorySectors = Math.ceil((tables * 4) / SECTOR);
  const head = Buffer.alloc((directoryAt + directorySectors) * SECTOR);
  head.write("COWD", 0, "latin1");
  for (const [i, value] of [1, 3, sectors, grainSectors, directoryAt, tables].entries())
    head.writeUInt32LE(value, 4 + i * 4);
  const parts: Buffer[] = [head];
  let at = directoryAt + directorySectors;
  const byTable = Map.groupBy([...grains.keys()], (grain) => Math.floor(grain / 4096));
  for (const [table, members] of byTable) {
    const entries = Buffer.alloc(4096 * 4);
    head.writeUInt32LE(at, directoryAt * SECTOR + table * 4);
    parts.push(entries);
    at += entries.length / SECTOR;
    for (const grain of members) {
      entries.writeUInt32LE(at, (grain % 4096) * 4);
      parts.push(padded(grains.get(grain), grainSectors * SECTOR));
      at += grainSectors;
    }
  }
  head.writeUInt32LE(at, 28);
  return Buffer.concat(parts);
}

/** seSparse: grains of 4 KiB, 4,096 a table of 32 KiB. */
export function makeSeSparse(sectors: number, grains: ReadonlyMap<number, Grain>): Buffer {
  const inDirectory = Math.ceil(sectors / (4096 * 8));
  const directorySectors = Math.ceil((inDirectory * 8) / SECTOR);
  const directoryAt = 8;
  const tablesAt = directoryAt + directorySectors;
  const byTable = Map.groupBy([...grains.keys()], (grain) => Math.floor(grain / 4096));
  const grainsAt = tablesAt + byTable.size * 64;
  const b = Buffer.alloc(grainsAt * SECTOR);
  const put = (at: number, ...values: readonly (number | bigint)[]) =>
    values.forEach((value, i) => b.writeBigUInt64LE(BigInt(value), at + i * 8));
  const stored = [...grains].filter(([, grain]) => typeof grain === "object" && grain !== null);
  put(0, 0xcafebaben, 0x2_0000_0001n, sectors, 8, 64, 0);
  // Volatile header, journal header, journal, directory, tables, free bitmap, back map, grains: offset and size.
  put(80, 1, 1, 2, 2, 4, 4, directoryAt, directorySectors, tablesAt, byTable.size * 64, 0, 0, 0, 0);
  put(192, grainsAt, stored.length * 8);
  put(SECTOR, 0xcafecafen, 0, 0, 0);
  const parts: Buffer[] = [b];
  let used = 0;
  let number = 0;
  for (const [table, members] of byTable) {
    put(directoryAt * SECTOR + table * 8, 0x1000_0000_0000_0000n + BigInt(number));
    for (const grain of members) {
      const what = grains.get(grain) ?? null;
      const entryAt = tablesAt * SECTOR + number * 64 * SECTOR + (grain % 4096) * 8;
      if (what === "unmapped") put(entryAt, 0x1000_0000_0000_0000n);
      else if (what === "zero") put(entryAt, 0x2000_0000_0000_0000n);
      else if (what !== null) {
        // The lowest 12 bits of the grain's number stand above the others.
        put(entryAt, 0x3000_0000_0000_0000n + BigInt(used % 4096) * 2n ** 48n + BigInt(Math.floor(used / 4096)));
        parts.push(padded(what, 4096));
        used++;
      }
    }
    number++;
  }
  return Buffer.concat(parts);
}

function padded(bytes: Uint8Array | undefined, length: number): Buffer {
  const b = Buffer.alloc(length);
  if (bytes !== undefined) b.set(bytes);
  return b;
}

export interface DescriptorOf {
  readonly createType: string;
  /** 8 hex digits. */
  readonly cid: string;
  readonly parent?: { readonly cid: string; readonly hint: string };
  readonly extent: string;
}

export function esxDescriptor({ createType, cid, parent, extent }: DescriptorOf): string {
  return [
    "# Disk DescriptorFile",
    "version=1",
    `CID=${cid}`,
    `parentCID=${parent?.cid ?? "ffffffff"}`,
    `createType="${createType}"`,
    ...(parent === undefined ? [] : [`parentFileNameHint="${parent.hint}"`]),
    "# Extent description",
    extent,
    "",
  ].join("\n");
}
