/**
 * A read-only reader of ext2, ext3 and ext4 for small files at known paths: extents and indirect blocks,
 * directories read from end to end (the hash tree's leaves are ordinary blocks), symbolic links.
 * Source: the kernel's Documentation/filesystems/ext4. Everything is bounded: the file system may be hostile.
 */
import type { FileReader } from "./file-reader.ts";
import type { Window } from "../window.ts";

const ROOT = 2;
const MOST_FILE = 1024 * 1024;
const MOST_DIRECTORY = 4 * 1024 * 1024;
const MOST_LINKS = 8;
const MOST_DEPTH = 5;
/** Blocks of one file's extent tree: one of the size that is read here, in single blocks, has a few dozen. */
const MOST_NODES = 256;

const bit = (value: number, mask: number): boolean => Math.floor(value / mask) % 2 === 1;

interface Inode {
  readonly kind: number;
  readonly size: number;
  readonly flags: number;
  /** The 60 bytes of block pointers, extents, or inline data. */
  readonly block: Buffer;
}

/** What is known of a file's blocks while its tree is walked. */
interface ExtentTree {
  readonly map: Map<number, number>;
  readonly blocks: number;
  nodes: number;
}

const DIRECTORY = 4;
const FILE = 8;
const LINK = 10;
const EXTENTS = 0x80000;
const INLINE = 0x10000000;

export class ExtReader implements FileReader {
  readonly #part: Window;
  readonly #blockSize: number;
  readonly #inodeSize: number;
  readonly #inodesPerGroup: number;
  readonly #descriptorSize: number;
  readonly #inodes: number;
  readonly #wide: boolean;

  private constructor(part: Window, superblock: Buffer) {
    this.#part = part;
    this.#blockSize = 1024 * 2 ** superblock.readUInt32LE(24);
    this.#inodes = superblock.readUInt32LE(0);
    this.#inodesPerGroup = superblock.readUInt32LE(40);
    this.#inodeSize = superblock.readUInt32LE(76) === 0 ? 128 : superblock.readUInt16LE(88);
    this.#wide = bit(superblock.readUInt32LE(96), 0x80);
    this.#descriptorSize = this.#wide ? superblock.readUInt16LE(254) : 32;
  }

  /** Null when it is no file system that can be read. */
  static async open(part: Window): Promise<ExtReader | null> {
    const superblock = await part.read(1024, 1024);
    if (superblock === null || superblock.readUInt16LE(56) !== 0xef53) return null;
    const shift = superblock.readUInt32LE(24);
    const inodeSize = superblock.readUInt16LE(88);
    const perGroup = superblock.readUInt32LE(40);
    if (shift > 6 || perGroup === 0 || (superblock.readUInt32LE(76) !== 0 && (inodeSize < 128 || inodeSize > 4096)))
      return null;
    const reader = new ExtReader(part, superblock);
    return reader.#descriptorSize < 32 || reader.#descriptorSize > 1024 ? null : reader;
  }

  async readFile(path: string): Promise<Buffer | null> {
    const inode = await this.#find(path, 0, ROOT);
    if (inode === null || inode.node.kind !== FILE || inode.node.size > MOST_FILE) return null;
    return this.#contents(inode.node, MOST_FILE);
  }

  async exists(path: string): Promise<boolean> {
    return (await this.#find(path, 0, ROOT)) !== null;
  }

  async #find(path: string, links: number, from: number): Promise<{ node: Inode; parent: number } | null> {
    let at = path.startsWith("/") ? ROOT : from;
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
        if (target === null) return null;
        return this.#find([target, ...parts.slice(index + 1)].join("/"), links + 1, parent);
      }
    }
    return node === null ? null : { node, parent: at };
  }

  async #linkTarget(node: Inode): Promise<string | null> {
    if (node.size < 60) return node.block.toString("utf8", 0, node.size);
    if (node.size > 4096) return null;
    return (await this.#contents(node, 4096))?.toString("utf8") ?? null;
  }

  async #inode(number: number): Promise<Inode | null> {
    if (number < 1 || number > this.#inodes) return null;
    const group = Math.floor((number - 1) / this.#inodesPerGroup);
    const tableStart = this.#blockSize === 1024 ? 2 : 1;
    const descriptor = await this.#part.read(
      tableStart * this.#blockSize + group * this.#descriptorSize,
      this.#descriptorSize,
    );
    if (descriptor === null) return null;
    const table =
      descriptor.readUInt32LE(8) +
      (this.#wide && this.#descriptorSize >= 64 ? descriptor.readUInt32LE(40) * 2 ** 32 : 0);
    const raw = await this.#part.read(
      table * this.#blockSize + ((number - 1) % this.#inodesPerGroup) * this.#inodeSize,
      128,
    );
    if (raw === null) return null;
    const kind = Math.floor(raw.readUInt16LE(0) / 4096);
    const high = kind === FILE ? raw.readUInt32LE(108) : 0;
    return {
      kind,
      size: raw.readUInt32LE(4) + high * 2 ** 32,
      flags: raw.readUInt32LE(32),
      block: raw.subarray(40, 100),
    };
  }

  async #lookUp(directory: Inode, name: string): Promise<number | null> {
    const bytes = await this.#contents(directory, MOST_DIRECTORY);
    if (bytes === null) return null;
    for (let at = 0; at + 8 <= bytes.length; ) {
      const length = bytes.readUInt16LE(at + 4);
      if (length < 8 || at + length > bytes.length) return null;
      const inode = bytes.readUInt32LE(at);
      const nameLength = bytes.readUInt8(at + 6);
      if (inode !== 0 && nameLength + 8 <= length && bytes.toString("utf8", at + 8, at + 8 + nameLength) === name)
        return inode;
      at += length;
    }
    return null;
  }

  async #contents(node: Inode, most: number): Promise<Buffer | null> {
    const size = Math.min(node.size, most);
    if (bit(node.flags, INLINE)) return node.size <= 60 ? Buffer.from(node.block.subarray(0, node.size)) : null;
    const blocks = Math.ceil(size / this.#blockSize);
    const map = new Map<number, number>();
    const known = bit(node.flags, EXTENTS)
      ? await this.#extents(node.block, { map, blocks, nodes: 0 }, MOST_DEPTH)
      : await this.#pointers(node.block, map, blocks);
    if (!known) return null;
    const out = Buffer.alloc(blocks * this.#blockSize);
    for (const [logical, physical] of map) {
      const block = await this.#part.read(physical * this.#blockSize, this.#blockSize);
      if (block === null) return null;
      block.copy(out, logical * this.#blockSize);
    }
    return out.subarray(0, size);
  }

  /** False: damaged. A tree whose blocks hang together in a circle, or whose extents overlap, has no end otherwise. */
  async #extents(node: Buffer, tree: ExtentTree, mostDepth: number): Promise<boolean> {
    const { map, blocks } = tree;
    const count = node.readUInt16LE(2);
    const depth = node.readUInt16LE(6);
    tree.nodes += 1;
    if (node.readUInt16LE(0) !== 0xf30a || depth > mostDepth || tree.nodes > MOST_NODES) return false;
    if (12 + count * 12 > node.length) return false;
    for (let index = 0; index < count; index += 1) {
      const at = 12 + index * 12;
      const logical = node.readUInt32LE(at);
      if (logical >= blocks) continue;
      if (depth === 0) {
        const raw = node.readUInt16LE(at + 4);
        // Above 32768: reserved and never written, so it reads as zeros.
        if (raw > 32768) continue;
        const start = node.readUInt32LE(at + 8) + node.readUInt16LE(at + 6) * 2 ** 32;
        for (let i = 0; i < raw && logical + i < blocks; i += 1) {
          if (map.has(logical + i)) return false;
          map.set(logical + i, start + i);
        }
      } else {
        const child = await this.#part.read(
          (node.readUInt32LE(at + 4) + node.readUInt16LE(at + 8) * 2 ** 32) * this.#blockSize,
          this.#blockSize,
        );
        if (child === null || !(await this.#extents(child, tree, depth - 1))) return false;
      }
    }
    return true;
  }

  async #pointers(node: Buffer, map: Map<number, number>, blocks: number): Promise<boolean> {
    const perBlock = this.#blockSize / 4;
    for (let index = 0; index < Math.min(12, blocks); index += 1) {
      const block = node.readUInt32LE(index * 4);
      if (block !== 0) map.set(index, block);
    }
    let first = 12;
    for (let level = 1; level <= 3 && first < blocks; level += 1) {
      const pointer = node.readUInt32LE((11 + level) * 4);
      if (pointer !== 0 && !(await this.#indirect(pointer, level, first, map, blocks))) return false;
      first += perBlock ** level;
    }
    return true;
  }

  async #indirect(
    pointer: number,
    level: number,
    first: number,
    map: Map<number, number>,
    blocks: number,
  ): Promise<boolean> {
    const table = await this.#part.read(pointer * this.#blockSize, this.#blockSize);
    if (table === null) return false;
    const perBlock = this.#blockSize / 4;
    const span = perBlock ** (level - 1);
    for (let index = 0; index < perBlock && first + index * span < blocks; index += 1) {
      const block = table.readUInt32LE(index * 4);
      if (block === 0) continue;
      if (level === 1) map.set(first + index, block);
      else if (!(await this.#indirect(block, level - 1, first + index * span, map, blocks))) return false;
    }
    return true;
  }
}
