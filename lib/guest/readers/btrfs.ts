/** A read-only reader of btrfs for small files at known paths, in the subvolume that a system most likely starts from. */
import { inflate, unzstd } from "#lib/disk/codec/unpack.ts";
import { zstdFrameBytes } from "#lib/disk/codec/zstd-frame.ts";
import { BtrfsTrees } from "./btrfs-tree.ts";
import type { FileReader } from "./file-reader.ts";
import { u64, type Window } from "../window.ts";

const MOST_FILE = 1024 * 1024;
const MOST_LINKS = 8;
const MOST_LINK = 4096;

const TOP = 5;
const FIRST_DIRECTORY = 256;
const ROOTS_DIRECTORY = 6;

const INODE_ITEM = 1;
const DIR_ITEM = 84;
const DIR_INDEX = 96;
const EXTENT_DATA = 108;
const ROOT_ITEM = 132;

const DIRECTORY = 4;
const FILE = 8;
const LINK = 10;

/** Where distributions keep the root, below the top: the default subvolume is tried first. */
const ROOTS = ["", "@", "@rootfs", "root", "@root", "@/.snapshots/1/snapshot"];

/** A file or directory: the address of its subvolume's tree, and its number there. */
interface Place {
  readonly tree: number;
  readonly object: number;
}

export class BtrfsReader implements FileReader {
  readonly #trees: BtrfsTrees;
  readonly #root: Place;

  private constructor(trees: BtrfsTrees, root: Place) {
    this.#trees = trees;
    this.#root = root;
  }

  /** A reader for each directory that may be a system's root, the likeliest first; null when nothing can be read. */
  static async open(part: Window): Promise<BtrfsReader[] | null> {
    const trees = await BtrfsTrees.open(part);
    const top = trees === null ? null : await treeOf(trees, TOP);
    if (trees === null || top === null) return null;
    const found: Place[] = [];
    for (const { data } of await trees.items(trees.root, ROOTS_DIRECTORY, DIR_ITEM)) {
      const entry = entryIn(data);
      const tree = entry?.name === "default" ? await treeOf(trees, entry.object) : null;
      if (tree !== null) found.push({ tree, object: FIRST_DIRECTORY });
    }
    const reader = new BtrfsReader(trees, { tree: top, object: FIRST_DIRECTORY });
    for (const path of ROOTS) {
      const place = await reader.#find(path, 0);
      if (place !== null && !found.some(({ tree, object }) => tree === place.tree && object === place.object))
        found.push(place);
    }
    return found.map((place) => new BtrfsReader(trees, place));
  }

  async readFile(path: string): Promise<Buffer | null> {
    const place = await this.#find(path, 0);
    const inode = place === null ? null : await this.#inode(place);
    return place === null || inode?.kind !== FILE || inode.size > MOST_FILE ? null : this.#contents(place, inode.size);
  }

  async exists(path: string): Promise<boolean> {
    return (await this.#find(path, 0)) !== null;
  }

  async #find(path: string, links: number): Promise<Place | null> {
    const parents: Place[] = [];
    let at = this.#root;
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    for (const [index, part] of parts.entries()) {
      if (part === "..") {
        at = parents.pop() ?? this.#root;
        continue;
      }
      const next = await this.#lookUp(at, part);
      const inode = next === null ? null : await this.#inode(next);
      if (next === null || inode === null) return null;
      if (inode.kind === LINK) {
        if (links >= MOST_LINKS || inode.size > MOST_LINK) return null;
        const target = (await this.#contents(next, inode.size))?.toString("utf8");
        if (target === undefined) return null;
        // Names rather than places, so that `..` goes where it should.
        const before = target.startsWith("/") ? "" : `/${parts.slice(0, index).join("/")}`;
        return this.#find([before, target, ...parts.slice(index + 1)].join("/"), links + 1);
      }
      if (inode.kind !== DIRECTORY && index + 1 < parts.length) return null;
      parents.push(at);
      at = next;
    }
    return at;
  }

  async #lookUp({ tree, object }: Place, name: string): Promise<Place | null> {
    for (const { data } of await this.#trees.items(tree, object, DIR_INDEX)) {
      const entry = entryIn(data);
      if (entry?.name !== name) continue;
      if (entry.type === INODE_ITEM) return { tree, object: entry.object };
      // A subvolume: another tree.
      const inner = entry.type === ROOT_ITEM ? await treeOf(this.#trees, entry.object) : null;
      return inner === null ? null : { tree: inner, object: FIRST_DIRECTORY };
    }
    return null;
  }

  async #inode({ tree, object }: Place): Promise<{ kind: number; size: number } | null> {
    const [item] = await this.#trees.items(tree, object, INODE_ITEM);
    const size = item === undefined || item.data.length < 160 ? null : u64(item.data, 16);
    return item === undefined || size === null ? null : { kind: Math.floor(item.data.readUInt32LE(52) / 4096), size };
  }

  async #contents({ tree, object }: Place, size: number): Promise<Buffer | null> {
    const out = Buffer.alloc(size);
    let next = 0;
    for (const { offset, data } of await this.#trees.items(tree, object, EXTENT_DATA)) {
      if (offset >= size) break;
      // Extents follow each other: those that lie on one another could be read without end.
      if (offset < next) return null;
      const bytes = await this.#extent(data, size - offset);
      if (bytes === null) return null;
      bytes.copy(out, offset);
      next = offset + Math.max(1, bytes.length);
    }
    return out;
  }

  /** At most `most` bytes of it. */
  async #extent(item: Buffer, most: number): Promise<Buffer | null> {
    if (item.length < 21) return null;
    const unpackedSize = u64(item, 8);
    const packing = item.readUInt8(16);
    const kind = item.readUInt8(20);
    // Packed extents have 128 KiB at most.
    if (unpackedSize === null || (packing !== 0 && unpackedSize > 128 * 1024)) return null;
    if (kind === 0) return (await unpacked(item.subarray(21), packing, unpackedSize))?.subarray(0, most) ?? null;
    if (item.length < 53) return null;
    const [place, stored, skipped, length] = [u64(item, 21), u64(item, 29), u64(item, 37), u64(item, 45)];
    if (place === null || stored === null || skipped === null || length === null) return null;
    const wanted = Math.min(most, length);
    // A hole, or reserved and never written.
    if (place === 0 || kind === 2) return Buffer.alloc(wanted);
    if (packing === 0) return this.#trees.read(place + skipped, wanted);
    const bytes = stored > 256 * 1024 ? null : await this.#trees.read(place, stored);
    return bytes === null
      ? null
      : ((await unpacked(bytes, packing, unpackedSize))?.subarray(skipped, skipped + wanted) ?? null);
  }
}

async function treeOf(trees: BtrfsTrees, object: number): Promise<number | null> {
  const items = await trees.items(trees.root, object, ROOT_ITEM);
  const data = items.at(-1)?.data;
  return data === undefined || data.length < 184 ? null : u64(data, 176);
}

function entryIn(data: Buffer): { object: number; type: number; name: string } | null {
  if (data.length < 30) return null;
  const object = u64(data, 0);
  const name = data.toString("utf8", 30, 30 + data.readUInt16LE(27));
  return object === null ? null : { object, type: data.readUInt8(8), name };
}

/** Null: damaged, or packed in a way that is not read (LZO). */
async function unpacked(bytes: Buffer, packing: number, size: number): Promise<Buffer | null> {
  if (packing === 0) return bytes;
  const out = Buffer.alloc(size);
  try {
    if (packing === 1) return out.subarray(0, await inflate(bytes, out, "zlib"));
    // What follows the frame fills its last sector.
    if (packing === 3) return out.subarray(0, await unzstd(bytes.subarray(0, zstdFrameBytes(bytes)), out));
  } catch {
    return null;
  }
  return null;
}
