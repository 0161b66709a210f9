import { afterAll, describe, expect, it } from "vitest";
import { inspectGuest } from "./inspect.ts";
import {
  BIOS_BOOT,
  EFI_SYSTEM,
  efiProgram,
  FREEBSD_BOOT,
  FREEBSD_UFS,
  LINUX,
  Maker,
  memoryDisk,
  MIB,
  writeBootCode,
  writeGpt,
  writeMbr,
} from "./testing/disks.ts";

const maker = new Maker();
afterAll(() => maker[Symbol.dispose]());

const X64 = efiProgram(0x8664);
const WINDOWS_CODE = "Invalid partition table\0Error loading operating system\0Missing operating system";

/** GPT with a partition of 1 MiB at 1 MiB, and an ESP behind it. */
function gptDisk(first: string, esp: Buffer, more: { legacy?: boolean; code?: string | null } = {}): Buffer {
  const disk = Buffer.alloc(8 * MIB);
  writeGpt(disk, [
    { type: first, start: MIB, length: MIB, legacy: more.legacy ?? false },
    { type: EFI_SYSTEM, start: 2 * MIB, length: esp.length },
  ]);
  esp.copy(disk, 2 * MIB);
  if (more.code !== null) writeBootCode(disk, more.code ?? "");
  return disk;
}

const fallback = () => maker.fat({ "EFI/BOOT/BOOTX64.EFI": X64 });

describe("what a disk boots with", () => {
  it.each([
    ["GRUB's own partition", BIOS_BOOT, {}, { bios: true, uefi: true }],
    ["FreeBSD's own partition", FREEBSD_BOOT, {}, { bios: true, uefi: true }],
    [
      "a partition that is marked for BIOS, as SYSLINUX has it",
      LINUX,
      { legacy: true, code: "Missing OS" },
      { bios: true, uefi: true },
    ],
    ["Windows' code, which finds nothing active on GPT", LINUX, { code: WINDOWS_CODE }, { bios: false, uefi: true }],
    ["no boot code", BIOS_BOOT, { code: null }, { bios: false, uefi: true }],
  ] as const)("GPT with an ESP, and %s", async (_name, type, more, boots) => {
    const guest = await inspectGuest(memoryDisk(gptDisk(type, fallback(), more)));
    expect(guest.boots).toEqual(boots);
    expect(guest.notes).toEqual([]);
  });

  it("finds BIOS on a hybrid table by its active partition", async () => {
    const disk = gptDisk(LINUX, fallback(), { code: WINDOWS_CODE });
    writeMbr(disk, [
      { type: 0xee, start: 1, length: 2047 },
      { type: 0x83, start: 2048, length: 2048, active: true },
    ]);
    const guest = await inspectGuest(memoryDisk(disk));
    expect(guest).toMatchObject({ partitionTable: "gpt", boots: { bios: true, uefi: true } });
  });

  it("says that a loader is found by a boot entry only, and which machines loaders are for", async () => {
    const vendor = { "EFI/debian/shimx64.efi": X64, "EFI/debian/grubx64.efi": X64 };
    const alone = await inspectGuest(memoryDisk(gptDisk(LINUX, maker.fat(vendor), { code: null })));
    expect(alone.boots).toEqual({ bios: false, uefi: true });
    expect(alone.efiLoaders).toEqual([
      { path: "EFI/debian/shimx64.efi", arch: "x86_64", fallback: false },
      { path: "EFI/debian/grubx64.efi", arch: "x86_64", fallback: false },
    ]);
    expect(alone.notes.join()).toMatch(/EFI\/debian\/shimx64\.efi.*boot entry/);
    const both = { "EFI/Microsoft/Boot/bootmgfw.efi": efiProgram(0xaa64), "EFI/Boot/bootaa64.efi": "MZ" };
    const arm = await inspectGuest(memoryDisk(gptDisk(LINUX, maker.fat(both), { code: null })));
    expect(arm.efiLoaders).toEqual([
      { path: "EFI/Boot/bootaa64.efi", arch: "aarch64", fallback: true },
      { path: "EFI/Microsoft/Boot/bootmgfw.efi", arch: "aarch64", fallback: false },
    ]);
    expect(arm.notes).toEqual([]);
  });

  it.each([
    ["without files", () => maker.fat({}), "holds no boot loader."],
    ["with an empty loader", () => maker.fat({ "EFI/BOOT/BOOTX64.EFI": "" }), "holds no boot loader."],
    ["with a loader that is no program", () => maker.fat({ "EFI/BOOT/BOOTX64.EFI": "text" }), "holds no boot loader."],
    ["that was never formatted", () => Buffer.alloc(MIB), "it has no file system"],
  ])("an ESP %s boots nothing", async (_name, esp, words) => {
    const guest = await inspectGuest(memoryDisk(gptDisk(LINUX, esp(), { code: null })));
    expect(guest.boots).toEqual({ bios: false, uefi: false });
    expect(guest.notes).toHaveLength(1);
    expect(guest.notes[0]).toContain(words);
  });

  it("reads a FAT32 that has fewer clusters than FAT32 should", async () => {
    const esp = Buffer.alloc(4 * MIB);
    esp.write("FAT32   ", 82, "latin1");
    esp.writeUInt16LE(512, 11);
    esp.writeUInt8(1, 13);
    esp.writeUInt16LE(1, 14);
    esp.writeUInt8(1, 16);
    esp.writeUInt16LE(8000, 19);
    esp.writeUInt32LE(63, 36);
    esp.writeUInt32LE(2, 44);
    esp.writeUInt16LE(0xaa55, 510);
    // A chain of one cluster each: the root, its EFI, that one's BOOT, and the loader.
    for (const [cluster, name, attributes] of [
      [2, "EFI        ", 0x10],
      [3, "BOOT       ", 0x10],
      [4, "BOOTX64 EFI", 0x20],
    ] as const) {
      esp.writeUInt32LE(0x0fffffff, 512 + cluster * 4);
      const at = (64 + cluster - 2) * 512;
      esp.write(name, at, "latin1");
      esp.writeUInt8(attributes, at + 11);
      esp.writeUInt16LE(cluster + 1, at + 26);
      esp.writeUInt32LE(512, at + 28);
    }
    X64.copy(esp, (64 + 3) * 512);
    expect((await inspectGuest(memoryDisk(gptDisk(LINUX, esp)))).boots.uefi).toBe(true);
  });

  it.each([
    ["Windows' code and an active partition with code", WINDOWS_CODE, true, "BOOTMGR is missing", true],
    ["Windows' code and an active partition without", WINDOWS_CODE, true, null, false],
    [
      "Windows' code and an active partition that is not for starting",
      WINDOWS_CODE,
      true,
      "This is not a bootable disk",
      false,
    ],
    ["Windows' code and nothing active", WINDOWS_CODE, false, "BOOTMGR is missing", false],
    ["SYSLINUX's code and EXTLINUX in the active partition", "Missing operating system.", true, "EXTLINUX", true],
    ["GRUB and nothing active", "GRUB \0Geom\0Hard Disk\0Read\0 Error", false, null, true],
  ])("MBR with %s", async (_name, code, active, inside, bios) => {
    const disk = Buffer.alloc(4 * MIB);
    writeMbr(disk, [{ type: 7, start: 2048, length: 4096, active }]);
    writeBootCode(disk, code);
    if (inside !== null) writeBootCode(disk, inside, MIB);
    expect((await inspectGuest(memoryDisk(disk))).boots).toEqual({ bios, uefi: false });
  });

  it("takes nothing for a start from a disk that was only initialised", async () => {
    const disk = Buffer.alloc(4 * MIB);
    writeBootCode(disk, WINDOWS_CODE);
    expect(await inspectGuest(memoryDisk(disk))).toMatchObject({
      partitionTable: "none",
      boots: { bios: false, uefi: false },
    });
  });

  it("tells of a file system that fills the disk whether it starts", async () => {
    const plain = maker.fat({ "EFI/BOOT/BOOTX64.EFI": X64 });
    const uefi = await inspectGuest(memoryDisk(plain));
    expect(uefi).toMatchObject({ partitionTable: "none", boots: { bios: false, uefi: true } });
    expect(uefi.bootEvidence.join()).toMatch(/no partition table: vfat fills the disk/);
    const syslinux = Buffer.from(plain);
    writeBootCode(syslinux.fill(0, 90, 510), "SYSLINUX");
    expect((await inspectGuest(memoryDisk(syslinux))).boots).toEqual({ bios: true, uefi: true });
    // Formatted by Windows: the code is there, what it starts is not.
    const windows = Buffer.from(plain);
    writeBootCode(windows.fill(0, 90, 510), "BOOTMGR is missing");
    expect((await inspectGuest(memoryDisk(windows))).boots).toEqual({ bios: false, uefi: true });
  });
});

describe("partition tables", () => {
  it.each(["the image tells it", "the image does not"])("of 4 KiB sectors, where %s", async (name) => {
    const said = name === "the image tells it" ? { image: { details: { logicalSectorSize: 4096 } } } : {};
    const disk = Buffer.alloc(8 * MIB);
    writeGpt(disk, [{ type: EFI_SYSTEM, start: MIB, length: 4 * MIB }], 4096);
    fallback().copy(disk, MIB);
    const gpt = await inspectGuest(memoryDisk(disk), said);
    expect(gpt).toMatchObject({ partitionTable: "gpt", sectorSize: 4096, boots: { uefi: true } });
    expect(gpt.partitions[0]).toMatchObject({ start: MIB, fileSystem: "vfat" });
    expect(gpt.notes.join()).toContain("4 KiB sectors");
    // An MBR says nothing of it: the file systems do.
    const mbrDisk = Buffer.alloc(8 * MIB);
    writeMbr(mbrDisk, [{ type: 0x0c, start: 256, length: 1024 }]);
    fallback().copy(mbrDisk, MIB);
    const mbr = await inspectGuest(memoryDisk(mbrDisk), said);
    expect(mbr).toMatchObject({
      partitionTable: "mbr",
      sectorSize: 4096,
      partitions: [{ start: MIB, length: 4 * MIB }],
    });
    expect(mbr.notes.join()).toContain("4 KiB sectors");
  });

  it("made for other sectors than the image has", async () => {
    const disk = gptDisk(LINUX, fallback());
    const guest = await inspectGuest(memoryDisk(disk), { image: { details: { logicalSectorSize: 4096 } } });
    expect(guest).toMatchObject({ sectorSize: 512, boots: { uefi: true } });
    expect(guest.notes).toEqual([
      "The image says that its sectors have 4096 bytes, but its partition table was made for 512.",
    ]);
  });

  it("that are lost, though the first sector speaks of one", async () => {
    const disk = gptDisk(LINUX, fallback());
    disk.fill(0, 512, MIB).fill(0, disk.length - 64 * 1024);
    const guest = await inspectGuest(memoryDisk(disk));
    expect(guest).toMatchObject({ partitionTable: "gpt", partitions: [], boots: { bios: false, uefi: false } });
    expect(guest.notes.join()).toMatch(/neither it nor its backup/);
  });

  it("of which the backup alone is left, with the first sector or without it", async () => {
    const disk = gptDisk(LINUX, fallback());
    disk.fill(0, 512, MIB);
    const guest = await inspectGuest(memoryDisk(disk));
    expect(guest.partitions).toHaveLength(2);
    expect(guest.boots.uefi).toBe(true);
    expect(guest.notes.join()).toMatch(/backup/);
    const wiped = await inspectGuest(memoryDisk(disk.fill(0, 0, 512)));
    expect(wiped.partitions).toHaveLength(2);
    expect(wiped.notes.join()).toMatch(/no protective entry.*backup/);
  });

  it("that are left over from before are not in force", async () => {
    const disk = gptDisk(LINUX, fallback());
    writeMbr(disk, [{ type: 0x83, start: 2048, length: 2048 }]);
    const mbr = await inspectGuest(memoryDisk(disk));
    expect(mbr).toMatchObject({ partitionTable: "mbr", partitions: [{ typeCode: "0x83" }] });
    expect(mbr.notes.join()).toContain("not in force");
    fallback().copy(disk);
    expect(await inspectGuest(memoryDisk(disk))).toMatchObject({ partitionTable: "none", boots: { uefi: true } });
  });

  it("a FreeBSD disk is FreeBSD by its partitions, where nothing else can be read", async () => {
    const disk = gptDisk(FREEBSD_BOOT, fallback());
    writeGpt(disk, [
      { type: FREEBSD_BOOT, start: MIB, length: MIB },
      { type: FREEBSD_UFS, start: 6 * MIB, length: MIB },
    ]);
    disk.writeUInt32LE(0x19540119, 6 * MIB + 65536 + 1372);
    const guest = await inspectGuest(memoryDisk(disk));
    expect(guest).toMatchObject({ os: { id: "freebsd", family: "other" }, boots: { bios: true, uefi: false } });
    expect(guest.partitions[1]?.fileSystem).toBe("ufs");
    expect(guest.notes.join()).toMatch(/Partition 2 is UFS/);
  });
});
