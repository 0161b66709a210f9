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
