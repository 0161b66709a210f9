/**
 * A read-only reader of XFS, versions 4 and 5, for small files at known paths: directories of every form, files in
 * extents or in a tree of them, symbolic links. Source: XFS Algorithms & Data Structures, third edition. Everything is
 * bounded: the file system may be hostile.
 */
import type { FileReader } from "./file-reader.ts";
import { u64be, type Window } from "../window.ts";

const MOST_FILE = 1024 * 1024;
const MOST_DIRECTORY = 4 * 1024 * 1024;
const MOST_LINK = 1024;
const MOST_LINKS = 8;
/** Extents of one file; a directory or a small file has a few dozen. */
const MOST_EXTENTS = 8192;
/** Blocks of one file's tree of extents. */
const MOST_NODES = 256;
const MOST_DEPTH = 5;
/** Bytes that are read of one file system, and held of its files: paths of many large directories end there. */
const MOST_READ = 64 * 1024 * 1024;

const DIRECTORY = 4;
const FILE = 8;
const LINK = 10;

const LOCAL = 1;
const EXTENTS = 2;
const BTREE = 3;

const bit = (value: number, mask: number): boolean => Math.floor(value / mask) % 2 === 1;

interface Geometry {
  readonly blockSize: number;
  readonly inodeSize: number;
  readonly inodesPerBlock: number;
  readonly blocksPerGroup: number;
  readonly groups: number;
  /** Numbers of inodes and blocks are the group's number above so many of these. */
  readonly groupSpan: number;
  readonly directoryBlock: number;
  readonly root: number;
  /** Entries of directories hold the type of the file. */
  readonly typed: boolean;
  /** Version 5: blocks have longer headers. */
  readonly checked: boolean;
  readonly manyExtents: boolean;
}

interface Inode {
  readonly kind: number;
  readonly form: number;
  readonly size: number;
  readonly extents: number;
  readonly fork: Buffer;
}

interface Extent {
  /** Blocks. */
  readonly logical: number;
  readonly physical: number;
  readonly count: number;
  /** Reserved and never written: reads as zeros. */
  readonly unwritten: boolean;
}

function geometryOf(superblock: Buffer): Geometry | null {
  if (superblock.toString("latin1", 0, 4) !== "XFSB") return null;
  const version = superblock.readUInt16BE(100) % 16;
  const blockSize = superblock.readUInt32BE(4);
  const inodeSize = superblock.readUInt16BE(104);
  const groupShift = superblock.readUInt8(124);
  const directoryShift = superblock.readUInt8(192);
  const root = u64be(superblock, 56);
  const blocksPerGroup = superblock.readUInt32BE(84);
  const powers = [blockSize, inodeSize].every((n) => n !== 0 && Number.isInteger(Math.log2(n)));
  if ((version !== 4 && version !== 5) || !powers || blockSize < 512 || blockSize > 65536) return null;
  if (inodeSize < 256 || inodeSize > 2048 || inodeSize > blockSize || groupShift > 31 || root === null) return null;
  if (blocksPerGroup === 0 || blocksPerGroup > 2 ** groupShift || blockSize * 2 ** directoryShift > 65536) return null;
  const incompatible = version === 5 ? superblock.readUInt32BE(216) : 0;
  return {
    blockSize,
    inodeSize,
    inodesPerBlock: blockSize / inodeSize,
    blocksPerGroup,
    groups: superblock.readUInt32BE(88),
    groupSpan: 2 ** groupShift,
    directoryBlock: blockSize * 2 ** directoryShift,
    root,
    typed: version === 5 ? bit(incompatible, 1) : bit(superblock.readUInt32BE(200), 0x200),
    checked: version === 5,
    manyExtents: bit(incompatible, 0x20),
  };
}

export class XfsReader implements FileReader {
  readonly #part: Window;
  readonly #geometry: Geometry;
  #left = MOST_READ;

  private constructor(part: Window, geometry: Geometry) {
    this.#part = part;
    this.#geometry = geometry;
  }

  /** Null when it is no file system that can be read. */
  static async open(part: Window): Promise<XfsReader | null> {
    const superblock = await part.read(0, 512);
    const geometry = superblock === null ? null : geometryOf(superblock);
    return geometry === null ? null : new XfsReader(part, geometry);
  }

  async readFile(path: string): Promise<Buffer | null> {
    const inode = await this.#find(path, 0, this.#geometry.root);
    if (inode === null || inode.kind !== FILE || inode.size > MOST_FILE) return null;
    return this.#contents(inode, inode.size);
  }

  async exists(path: string): Promise<boolean> {
    return (await this.#find(path, 0, this.#geometry.root)) !== null;
  }

  async #read(offset: number, length: number): Promise<Buffer | null> {
    this.#left -= length;
    return this.#left < 0 ? null : this.#part.read(offset, length);
  }

  async #find(path: string, links: number, from: number): Promise<Inode | null> {
    let at = path.startsWith("/") ? this.#geometry.root : from;
    let node = await this.#inode(at);
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    for (const [index, part] of parts.entries()) {
      if (node === null || node.kind !== DIRECTORY) return null;
      const parent = at;
      const next = await this.#lookUp(node, part);
      if (next === null) return null;
      at = next;
      node = await this.#inode(at);
      if (node?.kind === LINK) {
        if (links >= MOST_LINKS) return null;
        const target = await this.#linkTarget(node);
        return target === null ? null : this.#find([target, ...parts.slice(index + 1)].join("/"), links + 1, parent);
      }
    }
    return node;
  }

  async #linkTarget(node: Inode): Promise<string | null> {
    if (node.size === 0 || node.size > MOST_LINK) return null;
    if (node.form === LOCAL) return node.fork.toString("utf8", 0, node.size);
    // A block of its own, which begins with a header in version 5.
    const header = this.#geometry.checked ? 56 : 0;
    const block = await this.#contents(node, node.size + header);
    if (block === null || (header > 0 && block.toString("latin1", 0, 4) !== "XSLM")) return null;
    return block.toString("utf8", header, header + node.size);
  }

  /** Of a block of the file system. */
  #place(block: number): number | null {
    const { groupSpan, groups, blocksPerGroup, blockSize } = this.#geometry;
    const group = Math.floor(block / groupSpan);
    const inGroup = block % groupSpan;
    return group >= groups || inGroup >= blocksPerGroup ? null : (group * blocksPerGroup + inGroup) * blockSize;
  }

  async #inode(number: number): Promise<Inode | null> {
    const { inodeSize, inodesPerBlock, manyExtents } = this.#geometry;
    const block = this.#place(Math.floor(number / inodesPerBlock));
    if (block === null) return null;
    const raw = await this.#read(block + (number % inodesPerBlock) * inodeSize, inodeSize);
    if (raw === null || raw.toString("latin1", 0, 2) !== "IN") return null;
    const size = u64be(raw, 56);
    const extents = manyExtents ? u64be(raw, 24) : raw.readUInt32BE(76);
    if (size === null || extents === null) return null;
    const core = raw.readUInt8(4) >= 3 ? 176 : 100;
    // What follows the data are extended attributes.
    const forkEnd = raw.readUInt8(82) === 0 ? inodeSize : Math.min(inodeSize, core + raw.readUInt8(82) * 8);
    return {
      kind: Math.floor(raw.readUInt16BE(2) / 4096),
      form: raw.readUInt8(5),
      size,
      extents,
      fork: raw.subarray(core, forkEnd),
    };
  }

  async #lookUp(directory: Inode, name: string): Promise<number | null> {
    if (directory.form === LOCAL) return this.#lookUpShort(directory.fork, name);
    const { directoryBlock } = this.#geometry;
    const bytes = await this.#contents(directory, Math.min(directory.size, MOST_DIRECTORY));
    if (bytes === null) return null;
    for (let at = 0; at + directoryBlock <= bytes.length; at += directoryBlock) {
      const found = this.#lookUpBlock(bytes.subarray(at, at + directoryBlock), name);
      if (found !== null) return found;
    }
    return null;
  }

  #lookUpShort(fork: Buffer, name: string): number | null {
    if (fork.length < 10) return null;
    const wide = fork.readUInt8(1) > 0 ? 8 : 4;
    let at = 2 + wide;
    for (let index = 0; index < fork.readUInt8(0); index += 1) {
      const length = fork[at] ?? 0;
      const number = at + 3 + length + (this.#geometry.typed ? 1 : 0);
      if (length === 0 || number + wide > fork.length) return null;
      if (fork.toString("utf8", at + 3, at + 3 + length) === name)
        return wide === 8 ? u64be(fork, number) : fork.readUInt32BE(number);
      at = number + wide;
    }
    return null;
  }

  #lookUpBlock(block: Buffer, name: string): number | null {
    const mark = block.toString("latin1", 0, 4);
    if (!["XD2B", "XD2D", "XDB3", "XDD3"].includes(mark)) return null;
    let end = block.length;
    // A directory of one block keeps its hash table at the block's end.
    if (mark === "XD2B" || mark === "XDB3") end -= 8 + block.readUInt32BE(block.length - 8) * 8;
    for (let at = mark.endsWith("3") ? 64 : 16; at + 16 <= end; ) {
      if (block.readUInt16BE(at) === 0xffff) {
        const free = block.readUInt16BE(at + 2);
        if (free < 8) return null;
        at += free;
        continue;
      }
      const length = block.readUInt8(at + 8);
      if (block.toString("utf8", at + 9, Math.min(end, at + 9 + length)) === name) return u64be(block, at);
      at += Math.ceil((9 + length + (this.#geometry.typed ? 1 : 0) + 2) / 8) * 8;
    }
    return null;
  }

  async #contents(node: Inode, size: number): Promise<Buffer | null> {
    if (node.form === LOCAL) return size <= node.fork.length ? Buffer.from(node.fork.subarray(0, size)) : null;
    const extents = await this.#extents(node);
    if (extents === null) return null;
    const { blockSize } = this.#geometry;
    const blocks = Math.ceil(size / blockSize);
    this.#left -= size;
    if (this.#left < 0) return null;
    const out = Buffer.alloc(blocks * blockSize);
    let end = 0;
    for (const { logical, physical, count, unwritten } of extents) {
      // In order and apart from one another, or it is damaged.
      if (logical < end) return null;
      end = logical + count;
      if (logical >= blocks || unwritten) continue;
      const place = this.#place(physical);
      const length = Math.min(count, blocks - logical) * blockSize;
      const bytes = place === null ? null : await this.#read(place, length);
      if (bytes === null) return null;
      bytes.copy(out, logical * blockSize);
    }
    return out.subarray(0, size);
  }

  async #extents(node: Inode): Promise<readonly Extent[] | null> {
    const { fork } = node;
    if (node.form === EXTENTS)
      return node.extents * 16 > fork.length ? null : records(fork.subarray(0, node.extents * 16));
    if (node.form !== BTREE || fork.length < 4) return null;
    const found: Extent[] = [];
    const most = Math.floor((fork.length - 4) / 16);
    const depth = fork.readUInt16BE(0);
    const children = depth > MOST_DEPTH ? null : pointers(fork, 4, most, fork.readUInt16BE(2));
    if (children === null) return null;
    const walk = { found, nodes: 0 };
    for (const child of children) if (!(await this.#branch(child, depth - 1, walk))) return null;
    return found;
  }

  /** False: damaged. */
  async #branch(block: number, depth: number, walk: { found: Extent[]; nodes: number }): Promise<boolean> {
    const { blockSize, checked } = this.#geometry;
    walk.nodes += 1;
    const place = this.#place(block);
    const bytes = place === null || walk.nodes > MOST_NODES ? null : await this.#read(place, blockSize);
    if (bytes === null || bytes.toString("latin1", 0, 4) !== (checked ? "BMA3" : "BMAP")) return false;
    if (bytes.readUInt16BE(4) !== depth) return false;
    const header = checked ? 72 : 24;
    const count = bytes.readUInt16BE(6);
    const most = Math.floor((blockSize - header) / 16);
    if (depth === 0) {
      if (count > most || walk.found.length + count > MOST_EXTENTS) return false;
      walk.found.push(...records(bytes.subarray(header, header + count * 16)));
      return true;
    }
    const children = pointers(bytes, header, most, count);
    if (children === null) return false;
    for (const child of children) if (!(await this.#branch(child, depth - 1, walk))) return false;
    return true;
  }
}

/** 128 bits each: written or not (1), logical (54), physical (52), blocks (21). */
function records(bytes: Buffer): Extent[] {
  const found: Extent[] = [];
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    const high = bytes.readBigUInt64BE(at);
    const low = bytes.readBigUInt64BE(at + 8);
    found.push({
      unwritten: high >= 2n ** 63n,
      logical: Number((high % 2n ** 63n) / 512n),
      physical: Number((high % 512n) * 2n ** 43n + low / 2n ** 21n),
      count: Number(low % 2n ** 21n),
    });
  }
  return found;
}

/** After room for `most` keys of eight bytes; null: damaged. */
function pointers(node: Buffer, at: number, most: number, count: number): number[] | null {
  if (count > most) return null;
  const found: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const pointer = u64be(node, at + most * 8 + index * 8);
    if (pointer === null) return null;
    found.push(pointer);
  }
  return found;
}
