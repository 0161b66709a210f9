import { describe, expect, it } from "vitest";
import type { BlockSource } from "#lib/disk/block-source.ts";
import { growsLinearly } from "#lib/testing/growth.ts";
import { ExtReader } from "./ext.ts";
import { listEfiLoaders } from "./fat.ts";
import { readPartitionTable } from "./partition-table.ts";
import { type Window, windowOf } from "./window.ts";

/** A disk in memory, with what was read of it. */
function disk(bytes: Buffer): { window: Window; read: () => number } {
  let total = 0;
  const source: BlockSource = {
    size: bytes.length,
    async *extents() {
      yield { offset: 0, length: bytes.length, kind: "data" };
    },
    read: (offset, into) => {
      total += into.length;
      bytes.copy(into, 0, offset, offset + into.length);
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return { window: windowOf(source, 0, bytes.length), read: () => total };
}

const BLOCK = 4096;

/** ext4 whose root directory has the given header of an extent tree; the block that it leads to is block 8. */
function ext(depth: number, entries: number, inner: (node: Buffer) => void): Buffer {
  const bytes = Buffer.alloc(16 * BLOCK);
  bytes.writeUInt32LE(64, 1024);
  bytes.writeUInt32LE(2, 1024 + 24);
  bytes.writeUInt32LE(64, 1024 + 40);
  bytes.writeUInt16LE(0xef53, 1024 + 56);
  bytes.writeUInt32LE(1, 1024 + 76);
  bytes.writeUInt16LE(256, 1024 + 88);
  // The group's table of inodes is block 4; the root is the second inode.
  bytes.writeUInt32LE(4, BLOCK + 8);
  const root = 4 * BLOCK + 256;
  bytes.writeUInt16LE(0x4000, root);
  bytes.writeUInt32LE(4 * 1024 ** 2, root + 4);
  bytes.writeUInt32LE(0x80000, root + 32);
  const head = (at: number, count: number, level: number): void => {
    bytes.writeUInt16LE(0xf30a, at);
    bytes.writeUInt16LE(count, at + 2);
    bytes.writeUInt16LE(level, at + 6);
  };
  head(root + 40, 1, depth);
  bytes.writeUInt32LE(8, root + 40 + 12 + 4);
  head(8 * BLOCK, entries, depth - 1);
  inner(bytes.subarray(8 * BLOCK, 9 * BLOCK));
  return bytes;
}

describe("ext of a guest", () => {
  it.each([
    [
      "whose extent tree runs in a circle",
      ext(5, 340, (node) => {
        // It says that it is as deep as the root, and each of its entries leads to itself.
        node.writeUInt16LE(5, 6);
        for (let i = 0; i < 340; i += 1) node.writeUInt32LE(8, 12 + i * 12 + 4);
      }),
    ],
    [
      "whose extent tree becomes one block again and again",
      ext(4, 340, (node) => {
        for (let i = 0; i < 340; i += 1) node.writeUInt32LE(8, 12 + i * 12 + 4);
      }),
    ],
    [
      "whose extents overlap",
      ext(1, 340, (node) => {
        for (let i = 0; i < 340; i += 1) node.writeUInt16LE(1024, 12 + i * 12 + 4);
      }),
    ],
  ])("%s ends with little of it read", async (_what, bytes) => {
    const { window, read } = disk(bytes);
    const reader = await ExtReader.open(window);
    expect(reader).not.toBeNull();
    expect(await reader?.readFile("/etc/os-release")).toBeNull();
    expect(read()).toBeLessThan(16 * 1024 ** 2);
  });
});

describe("FAT of a guest", () => {
  /** FAT16 whose directories are all one chain of clusters in a circle, full of directories that begin with it. */
  function circle(): Buffer {
    const bytes = Buffer.alloc(4 * 1024 ** 2);
    bytes.writeUInt16LE(512, 11);
    bytes.writeUInt8(64, 13);
    bytes.writeUInt16LE(1, 14);
    bytes.writeUInt8(1, 16);
    bytes.writeUInt16LE(32, 17);
    bytes.writeUInt32LE(64 * 5000, 32);
    bytes.writeUInt16LE(20, 22);
    // Cluster 2 leads to 3, and that to 2.
    bytes.writeUInt16LE(3, 512 + 4);
    bytes.writeUInt16LE(2, 512 + 6);
    const root = 512 * 21;
    const entry = (at: number, name: string): void => {
      bytes.write(name.padEnd(11), at, "latin1");
      bytes.writeUInt8(0x10, at + 11);
      bytes.writeUInt16LE(2, at + 26);
    };
    entry(root, "EFI");
    const data = root + 1024;
    for (let at = data; at < data + 2 * 64 * 512; at += 32) entry(at, `D${at}`);
    return bytes;
  }

  it("whose directories are within each other ends with little of it read", async () => {
    const { window, read } = disk(circle());
    expect(await listEfiLoaders(window)).toEqual([]);
    expect(read()).toBeGreaterThan(128 * 1024);
    expect(read()).toBeLessThan(8 * 1024 ** 2);
  });
});

describe("partition tables of a guest", () => {
  /** GPT with so many entries of one size, all of them in use and named to their end. */
  const gpt = (count: number, entryBytes: number): Buffer => {
    const bytes = Buffer.alloc(1024 + Math.min(count, 1024) * entryBytes, 0x61);
    bytes.fill(0, 0, 1024);
    bytes.write("EFI PART", 512, "latin1");
    bytes.writeUInt32LE(92, 512 + 12);
    bytes.writeBigUInt64LE(2n, 512 + 72);
    bytes.writeUInt32LE(count, 512 + 80);
    bytes.writeUInt32LE(entryBytes, 512 + 84);
    for (let at = 1024; at + 48 <= bytes.length; at += entryBytes) bytes.fill(0, at + 32, at + 48);
    return bytes;
  };
  it("are not read with more entries than any system makes", async () => {
    const { partitions, notes } = await readPartitionTable(disk(gpt(1025, 128)).window);
    expect(partitions).toEqual([]);
    expect(notes.join()).toContain("makes no sense");
    expect((await readPartitionTable(disk(gpt(1024, 128)).window)).partitions).toHaveLength(1024);
  });
  growsLinearly({
    parse: (bytes: Buffer) => readPartitionTable(disk(bytes).window),
    worst: {
      "GPT of many entries": (length) => gpt(Math.min(1024, Math.ceil(length / 4096)), 4096),
      "GPT of small entries": (length) => gpt(Math.min(1024, Math.ceil(length / 128)), 128),
      "logical partitions without end": (length) => {
        const bytes = Buffer.alloc(Math.max(2048, length - (length % 512)));
        for (let at = 0; at + 512 <= bytes.length; at += 512) {
          bytes.writeUInt16LE(0xaa55, at + 510);
          const [own, link] = at === 0 ? [446, 446] : [446, 462];
          if (at !== 0) bytes.writeUInt8(0x83, at + own + 4);
          bytes.writeUInt32LE(1, at + own + 12);
          bytes.writeUInt8(0x05, at + link + 4);
          bytes.writeUInt32LE(at === 0 ? 1 : at / 512, at + link + 8);
          bytes.writeUInt32LE(1, at + link + 12);
        }
        return bytes;
      },
    },
    most: 1024 ** 2,
  });
});
