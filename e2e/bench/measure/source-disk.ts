/** The disk that benches convert: data in pieces over four times its size, half of it text-like. */
import { randomFillSync } from "node:crypto";
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";

const MIB = 1024 * 1024;

/** A sparse raw file: pieces of 40 MiB, every other MiB compressible so that packing has something to do. */
export function makeRawDisk(path: string, mebibytes: number): void {
  const fd = openSync(path, "w");
  ftruncateSync(fd, mebibytes * 4 * MIB);
  const buffer = Buffer.alloc(MIB);
  for (let i = 0; i < mebibytes; i++) {
    randomFillSync(buffer);
    if (i % 2 === 0) for (let at = 0; at < MIB; at += 16) buffer.fill("supravisor", at, at + 12);
    writeSync(fd, buffer, 0, MIB, (i + Math.floor(i / 40) * 120) * MIB);
  }
  closeSync(fd);
}
