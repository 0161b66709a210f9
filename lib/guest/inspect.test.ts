import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GuestFacts } from "#lib/domain/guest.ts";
import { inspectGuest } from "./inspect.ts";
import { parseOsRelease } from "./os-release.ts";
import { memoryDisk } from "./testing/disks.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "supravisor-guest-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (command: string, ...args: string[]) => execFileSync(command, args, { stdio: "pipe" });

function emptyFile(name: string, size: number): string {
  const path = join(folder, name);
  writeFileSync(path, "");
  truncateSync(path, size);
  return path;
}

/** GPT with a BIOS boot partition, an EFI system partition with a loader, and a root of the given type. */
function wholeGuest(ext: "ext2" | "ext3" | "ext4", blockSize = 1024): Buffer {
  const path = emptyFile(`guest-${ext}-${blockSize}.raw`, 32 * 1024 * 1024);
  run(
    "sgdisk",
    "-n1:2048:4095",
    "-t1:EF02",
    "-n2:4096:+8M",
    "-t2:EF00",
    "-c2:ESP",
    "-n3:0:0",
    "-t3:8300",
    "-c3:root",
    path,
  );
  const esp = emptyFile("esp.img", 8 * 1024 * 1024);
  run("mkfs.vfat", "-n", "ESP", esp);
  writeFileSync(join(folder, "BOOTX64.EFI"), "MZ loader");
  run("mmd", "-i", esp, "::/EFI", "::/EFI/BOOT");
  run("mcopy", "-o", "-i", esp, join(folder, "BOOTX64.EFI"), "::/EFI/BOOT/BOOTX64.EFI");
  run("dd", `if=${esp}`, `of=${path}`, "bs=1M", "seek=2", "conv=notrunc", "status=none");
  const tree = mkdtempSync(join(folder, "tree-"));
  mkdirSync(join(tree, "etc"), { recursive: true });
  mkdirSync(join(tree, "usr", "lib"), { recursive: true });
  writeFileSync(
    join(tree, "usr", "lib", "os-release"),
    'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\n',
  );
  symlinkSync("../usr/lib/os-release", join(tree, "etc", "os-release"));
  for (let i = 0; i < 200; i += 1) writeFileSync(join(tree, "etc", `a-file-with-a-long-name-${i}`), "x");
  const start = 4096 + 8 * 2048;
  run(
    "mke2fs",
    "-q",
    "-F",
    "-t",
    ext,
    "-b",
    String(blockSize),
    "-L",
    "root",
    "-E",
    `offset=${start * 512}`,
    "-d",
    tree,
    path,
    `${Math.floor((32 * 2048 - start - 34) / 2)}k`,
  );
  const bytes = readFileSync(path);
  bytes.fill(0x90, 0, 64);
  return bytes;
}

describe("what a disk says of its guest", () => {
  for (const [ext, blockSize] of [
    ["ext2", 1024],
    ["ext3", 1024],
    ["ext4", 1024],
    ["ext4", 4096],
  ] as const) {
    it(`reads GPT, both firmwares and os-release from ${ext} with blocks of ${blockSize}`, async () => {
      const guest = GuestFacts.parse(await inspectGuest(memoryDisk(wholeGuest(ext, blockSize))));
      expect(guest.partitionTable).toBe("gpt");
      expect(guest.partitions.map((p) => [p.type, p.fileSystem, p.label])).toEqual([
        ["BIOS boot", null, null],
        ["EFI System", "vfat", "ESP"],
        ["Linux filesystem", ext, "root"],
      ]);
      expect(guest.boots).toEqual({ bios: true, uefi: true });
      expect(guest.os).toEqual({
        id: "debian",
        name: "Debian GNU/Linux 12 (bookworm)",
        version: "12",
        family: "linux",
      });
      expect(guest.notes).toEqual([]);
    });
  }

  it("reads the backup when the primary table is damaged", async () => {
    const bytes = wholeGuest("ext4");
    bytes.fill(0, 1024, 1024 + 256);
    const guest = await inspectGuest(memoryDisk(bytes));
    expect(guest.partitions).toHaveLength(3);
    expect(guest.notes.join()).toContain("backup");
  });

  it("reads an MBR with logical partitions, and survives a chain that runs in a circle", async () => {
    const bytes = Buffer.alloc(16 * 1024 * 1024);
    bytes.fill(0x90, 0, 64);
    /** One of the four entries of the table in a sector; start and length in sectors. */
    const entry = (sector: number, index: number, status: number, type: number, start: number, length: number) => {
      const at = sector * 512 + 446 + index * 16;
      bytes.writeUInt8(status, at);
      bytes.writeUInt8(type, at + 4);
      bytes.writeUInt32LE(start, at + 8);
      bytes.writeUInt32LE(length, at + 12);
      bytes.writeUInt16LE(0xaa55, sector * 512 + 510);
    };
    entry(0, 0, 0x80, 0x83, 2048, 4096);
    entry(0, 1, 0, 0x05, 8192, 20000);
    entry(8192, 0, 0, 0x83, 2048, 2048);
    entry(8192, 1, 0, 0x05, 4096, 6144);
    entry(8192 + 4096, 0, 0, 0x82, 2048, 2048);
    const guest = await inspectGuest(memoryDisk(bytes));
    expect(guest.partitionTable).toBe("mbr");
    expect(guest.partitions.map((p) => [p.index, p.typeCode, p.bootable])).toEqual([
      [1, "0x83", true],
      [5, "0x83", false],
      [6, "0x82", false],
    ]);
    expect(guest.boots).toEqual({ bios: true, uefi: false });
    // The second table's link leads back to the first.
    entry(8192 + 4096, 1, 0, 0x05, 0, 6144);
    const circle = await inspectGuest(memoryDisk(bytes));
    expect(circle.notes.join()).toContain("circle");
  });

  it("finds nothing on an empty disk, and nothing on no disk", async () => {
    for (const size of [0, 512, 1024 * 1024]) {
      const guest = await inspectGuest(memoryDisk(Buffer.alloc(size)));
      expect(guest).toMatchObject({
        partitionTable: "none",
        partitions: [],
        boots: { bios: false, uefi: false },
        os: null,
      });
    }
  });

  it("never fails or hangs on damage: hundreds of mutants give facts by the schema", async () => {
    const whole = wholeGuest("ext4");
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % below;
    };
    const places = [
      [0, 512],
      [512, 512],
      [1024, 1024],
      [2 * 1024 * 1024, 8192],
      [(4096 + 8 * 2048) * 512 + 1024, 1024],
      [(4096 + 8 * 2048) * 512 + 2048, 64 * 1024],
    ] as const;
    for (let i = 0; i < 300; i += 1) {
      const mutant = Buffer.from(whole);
      for (let j = 0; j < 1 + random(12); j += 1) {
        const [start, length] = places[random(places.length)]!;
        mutant[start + random(length)] = random(256);
      }
      expect(GuestFacts.safeParse(await inspectGuest(memoryDisk(mutant))).success).toBe(true);
    }
  }, 120_000);

  it("understands quoting in os-release", () => {
    expect(parseOsRelease('NAME=\'A "B"\'\nID=x\nVERSION_ID="1.2"')).toEqual({
      id: "x",
      name: 'A "B"',
      version: "1.2",
      family: "linux",
    });
    expect(parseOsRelease("nothing here")).toBeNull();
  });
});
