import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { BlockSource } from "#lib/disk/block-source.ts";
import { hiveValues } from "./readers/hive.ts";
import { inspectGuest } from "./inspect.ts";
import type { FileBytes } from "./readers/ntfs.ts";
import { Maker, memoryDisk, MIB, writeBootCode, writeMbr } from "./testing/disks.ts";
import { hiveWith } from "./testing/hive.ts";
import { groupText, physicalVolume } from "./testing/lvm.ts";
import { windowOf } from "./window.ts";
import { XfsReader } from "./readers/xfs.ts";

const maker = new Maker();
afterAll(() => maker[Symbol.dispose]());

/** Whether it did what it should. */
const ran = (command: string, ...args: string[]): boolean => spawnSync(command, args, { stdio: "pipe" }).status === 0;

const OS_RELEASE = 'ID=rocky\nPRETTY_NAME="Rocky Linux 9.4"\nVERSION_ID="9.4"\n';
const ROCKY = { id: "rocky", name: "Rocky Linux 9.4", version: "9.4", family: "linux" };

/** A file too large for memory, mostly holes. */
function fileDisk(path: string, size: number): BlockSource {
  const file = openSync(path, "r");
  return {
    size,
    async *extents() {
      yield { offset: 0, length: size, kind: "data" };
    },
    read: async (offset, into) => void readSync(file, into, 0, into.length, offset),
    [Symbol.asyncDispose]: async () => closeSync(file),
  };
}

/** XFS with /etc of `entries` more files. */
function xfs(entries: number, ...options: string[]): BlockSource {
  const release = maker.file("os-release", OS_RELEASE);
  const empty = maker.file("empty");
  const files = Array.from({ length: entries }, (_, i) => `a-file-with-a-name-of-some-length-${i} ---644 0 0 ${empty}`);
  const proto = maker.file(
    "proto",
    [
      "/x",
      "0 0",
      "d--755 0 0",
      "etc d--755 0 0",
      ...files,
      "os-release l--777 0 0 ../usr/lib/os-release",
      "$",
      "usr d--755 0 0",
      "lib d--755 0 0",
      `os-release ---644 0 0 ${release}`,
      "$",
      "$",
      "$",
      "",
    ].join("\n"),
  );
  const path = maker.file(`xfs-${entries}-${options.length}`);
  truncateSync(path, 310 * MIB);
  expect(ran("mkfs.xfs", "-q", ...options, "-p", proto, path)).toBe(true);
  return fileDisk(path, 310 * MIB);
}

describe("XFS", () => {
  it.each([
    ["a short directory", 0, []],
    ["a directory of one block", 20, []],
    ["a directory of many blocks", 3000, []],
    ["version 4", 300, ["-m", "crc=0"]],
    ["blocks of 1 KiB", 300, ["-b", "size=1024"]],
  ] as const)("with %s is read for its system", async (_name, entries, options) => {
    await using disk = xfs(entries, ...options);
    const guest = await inspectGuest(disk);
    expect(guest.os).toEqual(ROCKY);
    expect(guest.notes).toEqual([]);
    const reader = await XfsReader.open(windowOf(disk, 0, disk.size));
    expect(await reader?.exists("/etc/nothing")).toBe(false);
    if (entries > 0) expect(await reader?.exists(`/etc/a-file-with-a-name-of-some-length-${entries - 1}`)).toBe(true);
  });
});

describe("btrfs", () => {
  it("is read for its system at the top", async () => {
    const tree = join(maker.folder, "btrfs-tree");
    mkdirSync(join(tree, "etc"), { recursive: true });
    mkdirSync(join(tree, "usr", "lib"), { recursive: true });
    writeFileSync(join(tree, "usr", "lib", "os-release"), OS_RELEASE);
    symlinkSync("../usr/lib/os-release", join(tree, "etc", "os-release"));
    // So many that the tree has branches.
    for (let i = 0; i < 500; i += 1) writeFileSync(join(tree, "etc", `a-file-with-a-long-name-${i}`), "x");
    const path = maker.file("btrfs");
    truncateSync(path, 128 * MIB);
    expect(ran("mkfs.btrfs", "-q", "--rootdir", tree, path)).toBe(true);
    await using disk = fileDisk(path, 128 * MIB);
    expect(await inspectGuest(disk)).toMatchObject({ os: ROCKY, notes: [] });
  });

  it.for([
    ["@rootfs", false, "zstd"],
    ["any-name", true, "zlib"],
  ] as const)(
    "is read in the subvolume %s, as the default one: %s, packed with %s",
    async ([name, standard, packing], context) => {
      const path = maker.file(`btrfs-${name}`);
      truncateSync(path, 128 * MIB);
      expect(ran("mkfs.btrfs", "-q", path)).toBe(true);
      const mount = join(maker.folder, `mount-${name}`);
      mkdirSync(mount);
      if (!ran("mount", "-o", `loop,compress-force=${packing}`, path, mount))
        return context.skip("btrfs cannot be mounted here");
      try {
        ran("btrfs", "subvolume", "create", join(mount, name));
        if (standard) ran("btrfs", "subvolume", "set-default", join(mount, name));
        mkdirSync(join(mount, name, "etc"));
        writeFileSync(
          join(mount, name, "etc", "os-release"),
          `${OS_RELEASE}${"# a comment that packs well\n".repeat(400)}`,
        );
      } finally {
        ran("umount", mount);
      }
      await using disk = fileDisk(path, 128 * MIB);
      expect((await inspectGuest(disk)).os).toEqual(ROCKY);
    },
  );
});

it("a mirror of Linux RAID is read for the system in it", async () => {
  const tree = join(maker.folder, "raid-tree");
  mkdirSync(join(tree, "etc"), { recursive: true });
  writeFileSync(join(tree, "etc", "os-release"), OS_RELEASE);
  const root = maker.make(8 * MIB, (path, run) => run("mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, path));
  const disk = Buffer.concat([Buffer.alloc(MIB), root]);
  disk.writeUInt32LE(0xa92b4efc, 4096);
  disk.writeUInt32LE(1, 4096 + 4);
  disk.writeInt32LE(1, 4096 + 72);
  disk.writeBigUInt64LE(BigInt(8 * 2048), 4096 + 80);
  disk.writeBigUInt64LE(2048n, 4096 + 128);
  expect(await inspectGuest(memoryDisk(disk))).toMatchObject({ os: ROCKY, notes: [] });
  disk.writeInt32LE(5, 4096 + 72);
  expect((await inspectGuest(memoryDisk(disk))).notes.join()).toContain("a part of a Linux RAID");
});

describe("LVM", () => {
  const root = () => {
    const tree = join(maker.folder, "tree");
    mkdirSync(join(tree, "etc"), { recursive: true });
    writeFileSync(join(tree, "etc", "os-release"), OS_RELEASE);
    return maker.make(8 * MIB, (path, run) => run("mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, path));
  };
  /** Behind the first MiB: swap, and the root in two halves, the second one first. */
  const pieces = {
    swap: [[0, 1]],
    root: [
      [5, 4],
      [1, 4],
    ],
  } as const;
  const disk = (text: string, at?: number) => {
    const content = root();
    return Buffer.concat([
      physicalVolume(text, at),
      Buffer.alloc(MIB),
      content.subarray(4 * MIB),
      content.subarray(0, 4 * MIB),
    ]);
  };

  it.each([512, 1024 * 1024 - 4096 - 100])("is read for the system in a logical volume; metadata at %d", async (at) => {
    const guest = await inspectGuest(memoryDisk(disk(groupText(pieces), at)));
    expect(guest.os).toEqual(ROCKY);
    expect(guest.notes).toEqual(["The disk is LVM: volume group vg0 with swap (not recognised), root (ext4)."]);
  });

  it("says what it cannot read", async () => {
    const thin = await inspectGuest(memoryDisk(disk(groupText(pieces, "thin"))));
    expect(thin.os).toBeNull();
    expect(thin.notes.join()).toContain(
      "Some logical volumes of vg0 are thin, striped, snapshots or partly on other disks",
    );
    const damaged = await inspectGuest(memoryDisk(disk("vg0 {")));
    expect(damaged.notes.join()).toContain("whose metadata could not be read");
  });
});

const bytesOf = (bytes: Buffer): FileBytes => ({
  size: bytes.length,
  read: (offset, length) =>
    Promise.resolve(offset + length > bytes.length ? null : bytes.subarray(offset, offset + length)),
});

const VERSION = "Microsoft\\Windows NT\\CurrentVersion";
const server = hiveWith(VERSION, { ProductName: "Windows Server 2022 Standard", CurrentBuild: "20348" });

describe("NTFS", () => {
  const blank = () => maker.make(12 * MIB, (path, run) => run("mkntfs", "-q", "-F", path));

  it("is no Windows by itself", async () => {
    const disk = Buffer.concat([Buffer.alloc(MIB), blank()]);
    writeMbr(disk, [{ type: 7, start: 2048, length: 12 * 2048 }]);
    writeBootCode(disk);
    const guest = await inspectGuest(memoryDisk(disk));
    expect(guest).toMatchObject({ os: null, partitions: [{ fileSystem: "ntfs" }], notes: [] });
    disk.fill(0, MIB + 16 * 1024, MIB + 64 * 1024);
    expect((await inspectGuest(memoryDisk(disk))).notes.join()).toContain("Partition 1 is NTFS that could not be read");
  });

  it("encrypted with BitLocker is said to be", async () => {
    const disk = Buffer.alloc(4 * MIB);
    disk.write("\xeb\x58\x90-FVE-FS-", 0, "latin1");
    const guest = await inspectGuest(memoryDisk(disk));
    expect(guest.os).toBeNull();
    expect(guest.notes).toEqual(["The disk is encrypted with BitLocker: a system on it is not known."]);
  });

  it("with Windows on it is named by its registry", async (context) => {
    const mount = join(maker.folder, "mount");
    mkdirSync(mount);
    const path = join(maker.folder, "windows");
    writeFileSync(path, blank());
    if (!ran("ntfs-3g", path, mount)) return context.skip("NTFS cannot be mounted here");
    try {
      const system32 = join(mount, "Windows", "System32");
      mkdirSync(join(system32, "config"), { recursive: true });
      // So many that the directory has blocks of its own.
      for (let i = 0; i < 500; i += 1) writeFileSync(join(system32, `a-library-with-a-long-name-${i}.dll`), "");
      writeFileSync(join(system32, "config", "SOFTWARE"), server);
    } finally {
      ran("umount", mount);
    }
    await using disk = fileDisk(path, 12 * MIB);
    expect((await inspectGuest(disk)).os).toEqual({
      id: "windows",
      name: "Windows Server 2022 Standard",
      version: "20348",
      family: "windows",
    });
  });

  it("a hive gives values by path, and nothing where it is damaged", async () => {
    const names = ["ProductName", "CurrentBuild", "Other"];
    expect(await hiveValues(bytesOf(server), VERSION.toLowerCase(), names)).toEqual(
      new Map([
        ["ProductName", "Windows Server 2022 Standard"],
        ["CurrentBuild", "20348"],
      ]),
    );
    expect(await hiveValues(bytesOf(server), "Microsoft\\Nothing", names)).toBeNull();
    for (let at = 4096; at < 4900; at += 1) {
      const damaged = Buffer.from(server);
      damaged.writeUInt8(0xff, at);
      await expect(hiveValues(bytesOf(damaged), VERSION, names)).resolves.toSatisfy(
        (found) => found === null || found instanceof Map,
      );
    }
  });
});

describe("what is not looked into is named", () => {
  it.each([
    ["btrfs", 65536 + 0x40, "_BHRfS_M"],
    ["luks", 0, "LUKS\xba\xbe"],
    ["linux-raid", 4096, "\xfc\x4e\x2b\xa9"],
  ])("%s", async (id, at, mark) => {
    const disk = Buffer.alloc(4 * MIB);
    writeMbr(disk, [{ type: 0x83, start: 2048, length: 4096 }]);
    disk.write(mark, MIB + at, "latin1");
    const guest = await inspectGuest(memoryDisk(disk));
    expect(guest.partitions[0]?.fileSystem).toBe(id);
    expect(guest.os).toBeNull();
    expect(guest.notes).toHaveLength(1);
  });
});
