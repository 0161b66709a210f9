/** Small disks for tests, in memory: partition tables by code, file systems by their own tools. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import type { BlockSource } from "#lib/disk/block-source.ts";
import { AppError } from "#lib/errors.ts";

export const MIB = 1024 ** 2;

export function memoryDisk(bytes: Buffer): BlockSource {
  return {
    size: bytes.length,
    async *extents() {
      yield { offset: 0, length: bytes.length, kind: "data" };
    },
    async read(offset, into) {
      if (offset + into.length > bytes.length) throw new AppError("unprocessable", "image.truncated", "past the end");
      into.set(bytes.subarray(offset, offset + into.length));
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

interface MbrPart {
  readonly active?: boolean;
  readonly type: number;
  /** Sectors. */
  readonly start: number;
  readonly length: number;
}

/** Writes a table to the first sector. */
export function writeMbr(disk: Buffer, parts: readonly MbrPart[]): void {
  for (const [index, { active, type, start, length }] of parts.entries()) {
    const at = 446 + index * 16;
    disk.writeUInt8(active === true ? 0x80 : 0, at);
    disk.writeUInt8(type, at + 4);
    disk.writeUInt32LE(start, at + 8);
    disk.writeUInt32LE(length, at + 12);
  }
  disk.writeUInt16LE(0xaa55, 510);
}

/** Boot code that says `words`, as loaders do. */
export function writeBootCode(disk: Buffer, words = "", at = 0): void {
  disk.write("\xeb\x63\x90", at, "latin1");
  disk.write(words === "" ? "\x90\x90" : words, at + 200, "latin1");
  disk.writeUInt16LE(0xaa55, at + 510);
}

interface GptPart {
  readonly type: string;
  /** Bytes. */
  readonly start: number;
  readonly length: number;
  /** Marked for legacy BIOS. */
  readonly legacy?: boolean;
}

export const EFI_SYSTEM = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
export const BIOS_BOOT = "21686148-6449-6e6f-744e-656564454649";
export const FREEBSD_BOOT = "83bd6b9d-7f41-11dc-be0b-001560b84f0f";
export const FREEBSD_UFS = "516e7cb6-6ecf-11d6-8ff8-00022d09712b";
export const LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4";

function guidBytes(guid: string): Buffer {
  const hex = Buffer.from(guid.replaceAll("-", ""), "hex");
  return Buffer.concat([
    hex.subarray(0, 4).reverse(),
    hex.subarray(4, 6).reverse(),
    hex.subarray(6, 8).reverse(),
    hex.subarray(8),
  ]);
}

/** Writes both tables and the protective entry. */
export function writeGpt(disk: Buffer, parts: readonly GptPart[], sector = 512): void {
  writeMbr(disk, [{ type: 0xee, start: 1, length: disk.length / sector - 1 }]);
  const entries = Buffer.alloc(128 * 128);
  for (const [index, { type, start, length, legacy }] of parts.entries()) {
    const at = index * 128;
    guidBytes(type).copy(entries, at);
    entries.writeUInt8(index + 1, at + 16);
    entries.writeBigUInt64LE(BigInt(start / sector), at + 32);
    entries.writeBigUInt64LE(BigInt((start + length) / sector - 1), at + 40);
    entries.writeUInt8(legacy === true ? 4 : 0, at + 48);
  }
  const last = disk.length / sector - 1;
  const table = entries.length / sector;
  for (const [own, other, at] of [
    [1, last, 2],
    [last, 1, last - table],
  ] as const) {
    const header = Buffer.alloc(92);
    header.write("EFI PART", 0, "latin1");
    header.writeUInt32LE(0x10000, 8);
    header.writeUInt32LE(92, 12);
    header.writeBigUInt64LE(BigInt(own), 24);
    header.writeBigUInt64LE(BigInt(other), 32);
    header.writeBigUInt64LE(BigInt(2 + table), 40);
    header.writeBigUInt64LE(BigInt(last - table - 1), 48);
    header.writeBigUInt64LE(BigInt(at), 72);
    header.writeUInt32LE(128, 80);
    header.writeUInt32LE(128, 84);
    header.writeUInt32LE(crc32(entries), 88);
    header.writeUInt32LE(crc32(header), 16);
    header.copy(disk, own * sector);
    entries.copy(disk, at * sector);
  }
}

/** A UEFI program: only what tells its machine. */
export function efiProgram(machine: number): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.write("MZ", 0, "latin1");
  bytes.writeUInt32LE(128, 60);
  bytes.write("PE\0\0", 128, "latin1");
  bytes.writeUInt16LE(machine, 132);
  return bytes;
}

/** What a tool makes of an empty file. */
export class Maker {
  readonly folder = mkdtempSync(join(tmpdir(), "supravisor-guest-"));
  #count = 0;

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  file(name: string, content: string | Buffer = ""): string {
    const path = join(this.folder, name);
    writeFileSync(path, content);
    return path;
  }

  make(size: number, fill: (path: string, run: (command: string, ...args: string[]) => void) => void): Buffer {
    const path = this.file(`disk-${++this.#count}`);
    truncateSync(path, size);
    fill(path, (command, ...args) => void execFileSync(command, args, { stdio: "pipe" }));
    return readFileSync(path);
  }

  /** FAT with the given files by path. */
  fat(files: Readonly<Record<string, Buffer | string>>, size = 4 * MIB): Buffer {
    return this.make(size, (path, run) => {
      run("mkfs.vfat", path);
      const made = new Set<string>();
      for (const [name, content] of Object.entries(files)) {
        const folders: string[] = [];
        for (let folder = dirname(name); folder !== "."; folder = dirname(folder)) folders.unshift(folder);
        for (const folder of folders.filter((each) => !made.has(each))) {
          made.add(folder);
          run("mmd", "-i", path, `::/${folder}`);
        }
        run("mcopy", "-i", path, this.file("content", content), `::/${name}`);
      }
    });
  }
}
