/** A registry hive with one chain of keys, made as Windows lays it out. */
interface Cells {
  readonly parts: Buffer[];
  at: number;
}

function put(cells: Cells, data: Buffer): number {
  const size = Math.ceil((data.length + 4) / 8) * 8;
  const cell = Buffer.alloc(size);
  // In use: a negative size.
  cell.writeInt32LE(-size, 0);
  data.copy(cell, 4);
  cells.parts.push(cell);
  const place = cells.at;
  cells.at += size;
  return place;
}

function value(cells: Cells, name: string, text: string): number {
  const data = Buffer.from(`${text}\0`, "utf16le");
  const place = put(cells, data);
  const head = Buffer.alloc(20);
  head.write("vk", 0, "latin1");
  head.writeUInt16LE(name.length, 2);
  head.writeUInt32LE(data.length, 4);
  head.writeUInt32LE(place, 8);
  head.writeUInt32LE(1, 12);
  head.writeUInt16LE(1, 16);
  return put(cells, Buffer.concat([head, Buffer.from(name, "latin1")]));
}

function key(
  cells: Cells,
  name: string,
  child: { name: string; cell: number } | null,
  values: readonly number[],
): number {
  const head = Buffer.alloc(76);
  head.write("nk", 0, "latin1");
  head.writeUInt16LE(0x20, 2);
  for (const at of [16, 28, 32, 40, 44, 48]) head.writeInt32LE(-1, at);
  if (child !== null) {
    const list = Buffer.alloc(12);
    list.write("lh", 0, "latin1");
    list.writeUInt16LE(1, 2);
    list.writeUInt32LE(child.cell, 4);
    let hash = 0;
    for (const letter of child.name.toUpperCase()) hash = (hash * 37 + letter.charCodeAt(0)) % 2 ** 32;
    list.writeUInt32LE(hash, 8);
    head.writeUInt32LE(1, 20);
    head.writeUInt32LE(put(cells, list), 28);
  }
  if (values.length > 0) {
    const list = Buffer.alloc(values.length * 4);
    for (const [index, cell] of values.entries()) list.writeUInt32LE(cell, index * 4);
    head.writeUInt32LE(values.length, 36);
    head.writeUInt32LE(put(cells, list), 40);
  }
  head.writeUInt16LE(name.length, 72);
  return put(cells, Buffer.concat([head, Buffer.from(name, "latin1")]));
}

/** `path` with backslashes, below the root. */
export function hiveWith(path: string, values: Readonly<Record<string, string>>): Buffer {
  const cells: Cells = { parts: [], at: 32 };
  let child: { name: string; cell: number } | null = null;
  const own = Object.entries(values).map(([name, text]) => value(cells, name, text));
  for (const [index, name] of path.split("\\").reverse().entries())
    child = { name, cell: key(cells, name, child, index === 0 ? own : []) };
  const root = key(cells, "ROOT", child, []);
  const bin = Buffer.alloc(4096);
  Buffer.concat(cells.parts).copy(bin, 32);
  bin.write("hbin", 0, "latin1");
  bin.writeUInt32LE(4096, 8);
  // The rest is free.
  bin.writeInt32LE(4096 - cells.at, cells.at);
  const head = Buffer.alloc(4096);
  head.write("regf", 0, "latin1");
  head.writeUInt32LE(1, 4);
  head.writeUInt32LE(1, 8);
  head.writeUInt32LE(1, 20);
  head.writeUInt32LE(5, 24);
  head.writeUInt32LE(1, 32);
  head.writeUInt32LE(root, 36);
  head.writeUInt32LE(4096, 40);
  head.writeUInt32LE(1, 44);
  let sum = 0;
  for (let at = 0; at < 508; at += 4) sum ^= head.readInt32LE(at);
  head.writeInt32LE(sum, 508);
  return Buffer.concat([head, bin]);
}
