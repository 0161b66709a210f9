/**
 * A read-only reader of NTFS that finds files by path and reads parts of them. Directories are read from end to end
 * rather than by their tree, whose order depends on the volume's own table of capitals. Source: the layout as the
 * kernel's ntfs3 driver and the Linux-NTFS project describe it. Everything is bounded: the volume may be hostile.
 */
import { u64, type Window } from "../window.ts";

const ROOT = 5;
const MOST_DIRECTORY = 4 * 1024 * 1024;
/** Extension records of one file. */
const MOST_EXTENSIONS = 64;
/** Runs of one file. */
const MOST_RUNS = 65_536;
/** Bytes that are read of one volume. */
const MOST_READ = 32 * 1024 * 1024;

const ATTRIBUTE_LIST = 0x20;
const DATA = 0x80;
const INDEX_ROOT = 0x90;
const INDEX_ALLOCATION = 0xa0;
const BITMAP = 0xb0;

interface Attribute {
  readonly type: number;
  readonly name: string;
  /** Compressed or encrypted. */
  readonly altered: boolean;
  /** Of what lies in the record itself. */
  readonly value: Buffer | null;
  /** Of what lies in clusters. */
  readonly firstCluster: number;
  readonly size: number;
  readonly runs: readonly Run[];
}

interface Run {
  /** Clusters; a start of null is a hole. */
  readonly start: number | null;
  readonly length: number;
}

/** Part of a file. */
export interface FileBytes {
  readonly size: number;
  /** Null past the end, and where it cannot be read. */
  read(offset: number, length: number): Promise<Buffer | null>;
}

/** Sizes are a number of clusters, or a power of two when negative. */
const sizeOf = (value: number, cluster: number): number => (value < 0 ? 2 ** -value : value * cluster);

export class NtfsReader {
  readonly #part: Window;
  readonly #cluster: number;
  readonly #record: number;
  #table: FileBytes | null = null;
  #left = MOST_READ;

  private constructor(part: Window, cluster: number, record: number) {
    this.#part = part;
    this.#cluster = cluster;
    this.#record = record;
  }

  /** Null when it is no volume that can be read. */
  static async open(part: Window): Promise<NtfsReader | null> {
    const boot = await part.read(0, 512);
    if (boot === null || boot.toString("latin1", 3, 11) !== "NTFS    ") return null;
    const sector = boot.readUInt16LE(11);
    const raw = boot.readUInt8(13);
    const cluster = sector * (raw > 128 ? 2 ** (256 - raw) : raw);
    const record = sizeOf(boot.readInt8(64), cluster);
    const table = u64(boot, 48);
    if (![512, 1024, 2048, 4096].includes(sector) || cluster < 512 || cluster > 2 * 1024 * 1024) return null;
    if (table === null || record < 512 || record > 16384 || record % 512 !== 0) return null;
    const reader = new NtfsReader(part, cluster, record);
    // The table's own first record tells where the rest of it lies.
    const first = repaired(await reader.#read(table * cluster, record), "FILE");
    if (first === null) return null;
    const own = attributesOf(first);
    reader.#table = reader.#data(own.filter(({ type, name }) => type === DATA && name === ""));
    if (reader.#table !== null && own.some(({ type }) => type === ATTRIBUTE_LIST))
      reader.#table = reader.#data(await reader.#attributes(0, DATA, "")) ?? reader.#table;
    return reader.#table === null ? null : reader;
  }

  /** Whether the root directory can be read. */
  async isReadable(): Promise<boolean> {
    return (await this.#attributes(ROOT, INDEX_ROOT, "$I30")).length > 0;
  }

  async exists(path: string): Promise<boolean> {
    return (await this.#find(path)) !== null;
  }

  /** A file's own data; null when it is not there, compressed or encrypted. */
  async open(path: string): Promise<FileBytes | null> {
    const record = await this.#find(path);
    if (record === null) return null;
    const data = await this.#attributes(record, DATA, "");
    return data.some(({ altered }) => altered) ? null : this.#data(data);
  }

  async #read(offset: number, length: number): Promise<Buffer | null> {
    this.#left -= length;
    return this.#left < 0 ? null : this.#part.read(offset, length);
  }

  async #find(path: string): Promise<number | null> {
    let at = ROOT;
    for (const part of path.split("/").filter((each) => each !== "")) {
      const next = await this.#lookUp(at, part.toUpperCase());
      if (next === null) return null;
      at = next;
    }
    return at;
  }

  async #recordOf(number: number): Promise<Buffer | null> {
    const bytes = await this.#table?.read(number * this.#record, this.#record);
    return repaired(bytes ?? null, "FILE");
  }

  /** Those of one type and name, with the pieces that are kept in extension records. */
  async #attributes(number: number, type: number, name: string): Promise<Attribute[]> {
    const record = await this.#recordOf(number);
    if (record === null) return [];
    const own = attributesOf(record);
    const found = own.filter((each) => each.type === type && each.name === name);
    const list = own.find((each) => each.type === ATTRIBUTE_LIST);
    if (list === undefined) return found;
    const bytes = list.value ?? (await this.#data([list])?.read(0, Math.min(list.size, 256 * 1024)));
    const records = new Set<number>();
    for (let at = 0; bytes != null && at + 26 <= bytes.length && records.size < MOST_EXTENSIONS; ) {
      const length = bytes.readUInt16LE(at + 4);
      if (length < 26) break;
      if (bytes.readUInt32LE(at) === type) records.add(bytes.readUIntLE(at + 16, 6));
      at += length;
    }
    records.delete(number);
    for (const extension of records) {
      const more = await this.#recordOf(extension);
      if (more !== null) found.push(...attributesOf(more).filter((each) => each.type === type && each.name === name));
    }
    return found.sort((a, b) => a.firstCluster - b.firstCluster);
  }

  #data(pieces: readonly Attribute[]): FileBytes | null {
    const [first] = pieces;
    if (first === undefined) return null;
    const { value } = first;
    if (value !== null) {
      const read = (offset: number, length: number): Buffer | null =>
        offset + length > value.length ? null : value.subarray(offset, offset + length);
      return { size: value.length, read: (offset, length) => Promise.resolve(read(offset, length)) };
    }
    const runs = pieces.flatMap((piece) => piece.runs);
    if (runs.length > MOST_RUNS) return null;
    // Where in the file each run begins, in clusters.
    const begins: number[] = [];
    let total = 0;
    for (const { length } of runs) {
      begins.push(total);
      total += length;
    }
    const size = Math.min(first.size, total * this.#cluster);
    return { size, read: (offset, length) => this.#readRuns(runs, begins, { offset, length, size }) };
  }

  async #readRuns(
    runs: readonly Run[],
    begins: readonly number[],
    { offset, length, size }: { offset: number; length: number; size: number },
  ): Promise<Buffer | null> {
    if (offset < 0 || length > MOST_DIRECTORY || offset + length > size) return null;
    const out = Buffer.alloc(length);
    for (let index = lastNotAbove(begins, offset / this.#cluster), done = 0; done < length; index += 1) {
      const run = runs[index];
      const begin = begins[index];
      if (run === undefined || begin === undefined) return null;
      const skipped = offset + done - begin * this.#cluster;
      const piece = Math.min(length - done, run.length * this.#cluster - skipped);
      if (run.start !== null) {
        const bytes = await this.#read(run.start * this.#cluster + skipped, piece);
        if (bytes === null) return null;
        bytes.copy(out, done);
      }
      done += piece;
    }
    return out;
  }

  async #lookUp(directory: number, name: string): Promise<number | null> {
    const [root] = await this.#attributes(directory, INDEX_ROOT, "$I30");
    if (root?.value == null || root.value.length < 32) return null;
    const inRoot = entryIn(root.value, 16, name);
    if (inRoot !== null) return inRoot;
    const block = root.value.readUInt32LE(8);
    const blocks = this.#data(await this.#attributes(directory, INDEX_ALLOCATION, "$I30"));
    if (blocks === null || block < 512 || block > 65_536 || block % 512 !== 0) return null;
    const bitmap = this.#data(await this.#attributes(directory, BITMAP, "$I30"));
    const used = await bitmap?.read(0, Math.min(bitmap.size, Math.ceil(MOST_DIRECTORY / block / 8)));
    for (let at = 0, index = 0; at + block <= Math.min(blocks.size, MOST_DIRECTORY); at += block, index += 1) {
      // What a block that is free now held once is still in it.
      if (used != null && Math.floor((used[Math.floor(index / 8)] ?? 0) / 2 ** (index % 8)) % 2 === 0) continue;
      const bytes = repaired(await blocks.read(at, block), "INDX");
      const found = bytes === null ? null : entryIn(bytes, 24, name);
      if (found !== null) return found;
    }
    return null;
  }
}

/** The last place whose number is not above `value`; `sorted` begins with 0. */
function lastNotAbove(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((sorted[middle] ?? 0) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The last two bytes of every 512 are kept apart, so that a half-written record is seen. Null: damaged. */
function repaired(bytes: Buffer | null, mark: string): Buffer | null {
  if (bytes === null || bytes.toString("latin1", 0, 4) !== mark) return null;
  const at = bytes.readUInt16LE(4);
  const count = bytes.readUInt16LE(6);
  if (count - 1 !== bytes.length / 512 || at + count * 2 > bytes.length) return null;
  const out = Buffer.from(bytes);
  for (let index = 1; index < count; index += 1) {
    const end = index * 512 - 2;
    if (bytes.readUInt16LE(end) !== bytes.readUInt16LE(at)) return null;
    bytes.copy(out, end, at + index * 2, at + index * 2 + 2);
  }
  return out;
}

function attributesOf(record: Buffer): Attribute[] {
  const found: Attribute[] = [];
  for (let at = record.readUInt16LE(20); at + 24 <= record.length; ) {
    const type = record.readUInt32LE(at);
    const length = record.readUInt32LE(at + 4);
    if (type === 0xffffffff || length < 24 || at + length > record.length) break;
    const attribute = record.subarray(at, at + length);
    const nameAt = attribute.readUInt16LE(10);
    const common = {
      type,
      name: attribute.toString("utf16le", nameAt, nameAt + attribute.readUInt8(9) * 2),
      altered: attribute.readUInt8(12) !== 0 || Math.floor(attribute.readUInt8(13) / 0x40) % 2 === 1,
    };
    at += length;
    if (attribute.readUInt8(8) === 0) {
      const valueAt = attribute.readUInt16LE(20);
      const value = attribute.subarray(valueAt, valueAt + attribute.readUInt32LE(16));
      found.push({ ...common, value, firstCluster: 0, size: value.length, runs: [] });
    } else if (length >= 64) {
      const firstCluster = u64(attribute, 16);
      const size = firstCluster === 0 ? u64(attribute, 48) : 0;
      const runs = runsOf(attribute, attribute.readUInt16LE(32));
      if (firstCluster !== null && size !== null && runs !== null)
        found.push({ ...common, value: null, firstCluster, size, runs });
    }
  }
  return found;
}

/** Lengths and distances to the run before, of as many bytes as each needs. Null: damaged. */
function runsOf(attribute: Buffer, from: number): Run[] | null {
  const runs: Run[] = [];
  let start = 0;
  for (let at = from; at < attribute.length && attribute[at] !== 0; ) {
    const head = attribute.readUInt8(at);
    const [lengthBytes, startBytes] = [head % 16, Math.floor(head / 16)];
    const end = at + 1 + lengthBytes + startBytes;
    if (lengthBytes === 0 || lengthBytes > 6 || startBytes > 6 || end > attribute.length) return null;
    const length = attribute.readUIntLE(at + 1, lengthBytes);
    if (startBytes > 0) start += attribute.readIntLE(at + 1 + lengthBytes, startBytes);
    if (length === 0 || start < 0) return null;
    runs.push({ start: startBytes === 0 ? null : start, length });
    at = end;
  }
  return runs;
}

/** The record that `name`, in capitals, leads to in a node whose header stands at `header`. */
function entryIn(node: Buffer, header: number, name: string): number | null {
  if (header + 8 > node.length) return null;
  const end = Math.min(node.length, header + node.readUInt32LE(header + 4));
  for (let at = header + node.readUInt32LE(header); at + 16 <= end; ) {
    const length = node.readUInt16LE(at + 8);
    // Bit 1: the last one, which has no name.
    if (length < 16 || Math.floor(node.readUInt16LE(at + 12) / 2) % 2 === 1) return null;
    if (at + 82 <= end) {
      const nameEnd = at + 82 + node.readUInt8(at + 80) * 2;
      if (nameEnd <= end && node.toString("utf16le", at + 82, nameEnd).toUpperCase() === name)
        return node.readUIntLE(at, 6);
    }
    at += length;
  }
  return null;
}
