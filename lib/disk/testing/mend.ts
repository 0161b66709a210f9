/** Puts checksums right again, so that damage gets past them: for tests. */
import { crc32c } from "../formats/vhdx/crc32c.ts";

const KIB = 1024;

/** VHD: footer, its copy and the header. The specification's sum, written down a second time. */
export function mendVhd(image: Buffer): void {
  const sum = (from: number, length: number, field: number) => {
    if (from < 0 || from + length > image.length) return;
    image.writeUInt32BE(0, from + field);
    let total = 0;
    for (let i = from; i < from + length; i++) total += image[i] ?? 0;
    image.writeUInt32BE(0xffff_ffff - total, from + field);
  };
  const footer = image.length - 512;
  sum(footer, 512, 64);
  sum(0, 512, 64);
  const header = image.toString("latin1", 512, 520) === "cxsparse" ? 512 : -1;
  if (header > 0) sum(header, 1024, 36);
}

/** VHDX: both headers and both region tables. */
export function mendVhdx(image: Buffer): void {
  for (const [at, length] of [
    [64 * KIB, 4096],
    [128 * KIB, 4096],
    [192 * KIB, 64 * KIB],
    [256 * KIB, 64 * KIB],
  ] as const) {
    if (at + length <= image.length) image.writeUInt32LE(crc32c(image.subarray(at, at + length), 4), at + 4);
  }
}

/** Checksums of the headers of a tar, as far as they can be followed. */
export function mendTar(image: Buffer): void {
  for (let at = 0; at + 512 <= image.length && image[at] !== 0; ) {
    const header = image.subarray(at, at + 512);
    header.fill(" ", 148, 156);
    const sum = header.reduce((all, byte) => all + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    const size = Number.parseInt(header.toString("latin1", 124, 135), 8);
    if (!Number.isSafeInteger(size)) return;
    at += 512 + Math.ceil(size / 512) * 512;
  }
}
