import { describe, expect, it } from "vitest";
import type { BlockSource } from "#lib/disk/block-source.ts";
import { growsLinearly } from "#lib/testing/growth.ts";
import { ExtReader } from "./readers/ext.ts";
import { BtrfsReader } from "./readers/btrfs.ts";
import { listEfiPrograms } from "./readers/fat.ts";
import { parseLvmText } from "./readers/lvm-text.ts";
import { NtfsReader } from "./readers/ntfs.ts";
import { readPartitionTable } from "./partition-table.ts";
import { type Window, windowOf } from "./window.ts";
import { XfsReader } from "./readers/xfs.ts";

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
    expect(await listEfiPrograms(window)).toEqual([]);
    expect(read()).toBeLessThan(8 * 1024 ** 2);
  });
});

describe("XFS of a guest", () => {
  /** Version 5 with blocks of 4 KiB and one group; the root is inode 64, the first of block 8. */
  function xfs(form: number, fill: (fork: Buffer, bytes: Buffer) => void): Buffer {
    const bytes = Buffer.alloc(64 * BLOCK);
    bytes.write("XFSB", 0, "latin1");
    bytes.writeUInt32BE(BLOCK, 4);
    bytes.writeBigUInt64BE(64n, 56);
    bytes.writeUInt32BE(64, 84);
    bytes.writeUInt32BE(1, 88);
    bytes.writeUInt16BE(5, 100);
    bytes.writeUInt16BE(512, 104);
    bytes.writeUInt8(6, 124);
    bytes.writeUInt32BE(1, 216);
    const root = bytes.subarray(8 * BLOCK, 8 * BLOCK + 512);
    root.write("IN", 0, "latin1");
    root.writeUInt16BE(0x4000, 2);
    root.writeUInt8(3, 4);
    root.writeUInt8(form, 5);
    root.writeBigUInt64BE(BigInt(4 * 1024 ** 2), 56);
    fill(root.subarray(176), bytes);
    return bytes;
  }

  it.each([
    [
      "whose tree of extents runs in a circle",
      xfs(3, (fork, bytes) => {
        const most = Math.floor((fork.length - 4) / 16);
        fork.writeUInt16BE(5, 0);
        fork.writeUInt16BE(most, 2);
        for (let i = 0; i < most; i += 1) fork.writeBigUInt64BE(9n, 4 + most * 8 + i * 8);
        // Each level's block leads to itself only at the level that it claims.
        for (let level = 4; level >= 0; level -= 1) {
          const node = bytes.subarray((13 - level) * BLOCK, (14 - level) * BLOCK);
          node.write("BMA3", 0, "latin1");
          node.writeUInt16BE(level, 4);
          node.writeUInt16BE(251, 6);
          if (level > 0)
            for (let i = 0; i < 251; i += 1) node.writeBigUInt64BE(BigInt(14 - level), 72 + 251 * 8 + i * 8);
        }
      }),
    ],
    [
      "whose extents overlap",
      xfs(2, (fork, bytes) => {
        bytes.writeUInt32BE(21, 8 * BLOCK + 76);
        for (let i = 0; i < 21; i += 1) fork.writeBigUInt64BE(32n, i * 16 + 8);
      }),
    ],
    ["whose directory holds nothing but zeros", xfs(1, () => undefined)],
  ])("%s ends with little of it read", async (_what, bytes) => {
    const { window, read } = disk(bytes);
    const reader = await XfsReader.open(window);
    expect(reader).not.toBeNull();
    expect(await reader?.readFile("/etc/os-release")).toBeNull();
    expect(read()).toBeLessThan(16 * 1024 ** 2);
  });
});

describe("btrfs of a guest", () => {
  it("whose trees lead to themselves ends with little of it read", async () => {
    const bytes = Buffer.alloc(1024 ** 2);
    const head = bytes.subarray(65_536);
    head.write("_BHRfS_M", 64, "latin1");
    const node = 128 * 1024;
    for (const at of [80, 88]) head.writeBigUInt64LE(BigInt(node), at);
    head.writeUInt32LE(16_384, 148);
    head.writeUInt32LE(17 + 80, 160);
    head.writeBigUInt64LE(1n, 201);
    // One chunk: addresses are places on the disk.
    head.writeBigUInt64LE(BigInt(bytes.length), 811 + 17);
    head.writeUInt16LE(1, 811 + 17 + 44);
    head.writeBigUInt64LE(1n, 811 + 17 + 48);
    bytes.writeBigUInt64LE(BigInt(node), node + 48);
    bytes.writeUInt32LE(490, node + 96);
    bytes.writeUInt8(1, node + 100);
    for (let i = 0; i < 490; i += 1) {
      const at = node + 101 + i * 33;
      bytes.writeBigUInt64LE(5n, at);
      bytes.writeUInt8(132, at + 8);
      bytes.writeBigUInt64LE(BigInt(node), at + 17);
    }
    const { window, read } = disk(bytes);
    expect(await BtrfsReader.open(window)).toBeNull();
    expect(read()).toBeLessThan(64 * 1024 ** 2);
  });
});

describe("NTFS of a guest", () => {
  it("whose root leads from block to block of itself ends with little of it read", async () => {
    const bytes = Buffer.alloc(8 * 1024 ** 2);
    bytes.write("NTFS    ", 3, "latin1");
    bytes.writeUInt16LE(512, 11);
    bytes.writeUInt8(8, 13);
    bytes.writeBigUInt64LE(1n, 48);
    bytes.writeInt8(-10, 64);
    /** A record of the table with its attributes: type, name, whether in the record, content. */
    const record = (index: number, attributes: readonly [number, string, boolean, Buffer][]): void => {
      const own = bytes.subarray(BLOCK + index * 1024, BLOCK + (index + 1) * 1024);
      own.write("FILE", 0, "latin1");
      own.writeUInt16LE(48, 4);
      own.writeUInt16LE(3, 6);
      own.writeUInt16LE(56, 20);
      let at = 56;
      for (const [type, name, resident, content] of attributes) {
        const head = resident ? 24 : 64;
        const length = Math.ceil((head + name.length * 2 + content.length) / 8) * 8;
        own.writeUInt32LE(type, at);
        own.writeUInt32LE(length, at + 4);
        own.writeUInt8(resident ? 0 : 1, at + 8);
        own.writeUInt8(name.length, at + 9);
        own.writeUInt16LE(head, at + 10);
        own.write(name, at + head, "utf16le");
        const place = head + name.length * 2;
        if (resident) {
          own.writeUInt32LE(content.length, at + 16);
          own.writeUInt16LE(place, at + 20);
        } else {
          own.writeUInt16LE(place, at + 32);
          own.writeBigUInt64LE(BigInt(2 ** 40), at + 48);
        }
        content.copy(own, at + place);
        at += length;
      }
      own.writeUInt32LE(0xffffffff, at);
    };
    // Runs of one cluster each that lead to the same place again and again.
    record(0, [[0x80, "", false, Buffer.from([0x11, 0x40, 0x01])]]);
    const root = Buffer.alloc(32);
    root.writeUInt32LE(4096, 8);
    root.writeUInt32LE(16, 16);
    root.writeUInt32LE(16, 20);
    const runs = Buffer.concat(Array.from({ length: 100 }, () => Buffer.from([0x11, 0x7f, 0x00])));
    record(5, [
      [0x90, "$I30", true, root],
      [0xa0, "$I30", false, runs],
    ]);
    const { window, read } = disk(bytes);
    const reader = await NtfsReader.open(window);
    expect(await reader?.isReadable()).toBe(true);
    expect(await reader?.exists("Windows/System32/config/SYSTEM")).toBe(false);
    expect(read()).toBeLessThan(64 * 1024 ** 2);
  });
});

describe("LVM's text", () => {
  growsLinearly({
    parse: parseLvmText,
    worst: {
      "quotes that never end": (length) => '"'.repeat(length),
      "numbers that are none": (length) => `${"1".repeat(length)}a`,
      "sections in sections": (length) => "a{".repeat(length / 2),
      "zero bytes": (length) => `${"\0".repeat(length)}a`,
      "a long list": (length) => `a = [${"1,".repeat(length / 2)}]`,
    },
    most: 1024 ** 2,
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
