/**
 * Trees of btrfs on one device, read by key. Source: the on-disk format as the btrfs documentation describes it. Data
 * that is striped over several devices is not read. Bounded: the file system may be hostile.
 */
import { u64, type Window } from "../window.ts";

const SUPERBLOCK = 65_536;
const NODE_HEADER = 101;
const KEY = 17;
const CHUNK_TREE_OBJECT = 256;
const CHUNK_ITEM = 228;
const MOST_CHUNKS = 16_384;
/** Of one search: a directory of a root has hundreds. */
const MOST_ITEMS = 65_536;
/** Nodes that are read of one file system; each has 16 KiB as a rule. */
/** Bytes, nodes and files: all nodes, and as much again. */
const MOST_READ = 256 * 1024 ** 2;
const MOST_NODES = 2048;
const MOST_DEPTH = 8;
/** RAID0, RAID10, RAID5 and RAID6: a stripe is not the whole of it. */
const STRIPED = 0x8 + 0x40 + 0x80 + 0x100;

interface Chunk {
  readonly logical: number;
  readonly length: number;
  readonly place: number;
}

export interface Item {
  /** The key's last part. */
  readonly offset: number;
  readonly data: Buffer;
}

interface Superblock {
  readonly nodeSize: number;
  readonly root: number;
  readonly chunkRoot: number;
  readonly device: number;
}

export class BtrfsTrees {
  /** Of the tree of roots. */
  readonly root: number;
  readonly #part: Window;
  readonly #superblock: Superblock;
  readonly #chunks: Chunk[] = [];
  #nodes = 0;
  #left = MOST_READ;

  private constructor(part: Window, superblock: Superblock) {
    this.#part = part;
    this.#superblock = superblock;
    this.root = superblock.root;
  }

  /** Null when it is none that can be read. */
  static async open(part: Window): Promise<BtrfsTrees | null> {
    const head = await part.read(SUPERBLOCK, 4096);
    if (head === null || head.toString("latin1", 64, 72) !== "_BHRfS_M") return null;
    const [root, chunkRoot, device] = [u64(head, 80), u64(head, 88), u64(head, 201)];
    const nodeSize = head.readUInt32LE(148);
    if (root === null || chunkRoot === null || device === null || nodeSize < 4096 || nodeSize > 65_536) return null;
    const trees = new BtrfsTrees(part, { nodeSize, root, chunkRoot, device });
    // The superblock itself says where the tree of chunks lies; that tree says where all else does.
    const system = head.subarray(811, 811 + Math.min(2048, head.readUInt32LE(160)));
    for (let at = 0; at + KEY + 80 <= system.length; ) {
      const logical = u64(system, at + 9);
      const chunk = system.subarray(at + KEY);
      trees.#addChunk(logical, chunk);
      at += KEY + 48 + 32 * chunk.readUInt16LE(44);
    }
    for (const { offset, data } of await trees.items(chunkRoot, CHUNK_TREE_OBJECT, CHUNK_ITEM))
      trees.#addChunk(offset, data);
    trees.#chunks.sort((a, b) => a.logical - b.logical);
    return trees;
  }

  #addChunk(logical: number | null, chunk: Buffer): void {
    if (logical === null || chunk.length < 48 || this.#chunks.length >= MOST_CHUNKS) return;
    const length = u64(chunk, 0);
    if (length === null || (chunk.readUInt32LE(24) & STRIPED) !== 0) return;
    for (let at = 48, left = chunk.readUInt16LE(44); left > 0 && at + 32 <= chunk.length; at += 32, left -= 1) {
      const place = u64(chunk, at + 8);
      if (u64(chunk, at) !== this.#superblock.device || place === null) continue;
      this.#chunks.push({ logical, length, place });
      return;
    }
  }

  /** Bytes at an address of the file system's own. Null: damaged, or more than is read of one file system. */
  async read(logical: number, length: number): Promise<Buffer | null> {
    this.#left -= length;
    if (this.#left < 0) return null;
    const chunk = this.#chunks.find(
      (each) => logical >= each.logical && logical + length <= each.logical + each.length,
    );
    return chunk === undefined ? null : this.#part.read(chunk.place + logical - chunk.logical, length);
  }

  /** All items of an object and a type in the tree at `root`; what is damaged is left out. */
  async items(root: number, object: number, type: number): Promise<Item[]> {
    const found: Item[] = [];
    await this.#walk(root, MOST_DEPTH, { object, type, found });
    return found;
  }

  async #walk(
    address: number,
    depth: number,
    search: { readonly object: number; readonly type: number; readonly found: Item[] },
  ): Promise<void> {
    this.#nodes += 1;
    if (depth === 0 || this.#nodes > MOST_NODES) return;
    const node = await this.read(address, this.#superblock.nodeSize);
    if (node === null || u64(node, 48) !== address) return;
    const leaf = node.readUInt8(100) === 0;
    const width = leaf ? 25 : 33;
    const count = Math.min(node.readUInt32LE(96), Math.floor((node.length - NODE_HEADER) / width));
    for (let index = 0; index < count; index += 1) {
      const at = NODE_HEADER + index * width;
      const order = compare(node, at, search);
      if (order > 0) return;
      if (leaf) {
        const offset = u64(node, at + 9);
        const from = NODE_HEADER + node.readUInt32LE(at + KEY);
        const to = from + node.readUInt32LE(at + KEY + 4);
        if (search.found.length >= MOST_ITEMS) return;
        if (order === 0 && offset !== null && to <= node.length)
          search.found.push({ offset, data: node.subarray(from, to) });
      } else if (index + 1 === count || compare(node, at + width, search) >= 0) {
        // What is looked for may begin in the child before the one that begins with it.
        const child = u64(node, at + KEY);
        if (child !== null) await this.#walk(child, depth - 1, search);
      }
    }
  }
}

/** The key at `at` against what is looked for, without its last part. */
function compare(
  node: Buffer,
  at: number,
  { object, type }: { readonly object: number; readonly type: number },
): number {
  const own = node.readBigUInt64LE(at);
  const wanted = BigInt(object);
  return own === wanted ? node.readUInt8(at + 8) - type : own < wanted ? -1 : 1;
}
