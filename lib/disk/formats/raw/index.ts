/** Raw: the file is the disk. Nothing in its content says so, so it is never detected. */
import { z } from "zod";
import { ConcatDisk } from "../../concat-disk.ts";
import { FlatDisk } from "../../flat-disk.ts";
import { tableWords } from "../../content/recognise.ts";
import type { DiskPiece } from "../../disk-stream.ts";
import type { DiskFormat } from "../../format.ts";
import type { ImageFile } from "../../io.ts";
import type { Preallocation } from "../../preallocation.ts";
import { ZeroDisk } from "../../zero-disk.ts";
import { planRaw } from "./plan.ts";

/** A guest sees whole sectors, and so do all other formats: the last one is filled up with zeros, as QEMU does. */
const SECTOR = 512;

const RawOptions = z.strictObject({
  /** off: zeros of the disk are holes of the file. The command line makes a boolean of `off`. */
  preallocation: z
    .preprocess((value) => (value === false ? "off" : value), z.enum(["off", "falloc", "full"]))
    .default("off"),
});
type RawOptions = z.infer<typeof RawOptions>;

const CHUNK = 1_048_576;

/** The file as it passes by; what fills up the last sector never comes and so reads as zeros. */
async function* chunks({ bytes }: ImageFile, signal: AbortSignal | undefined): AsyncIterable<DiskPiece> {
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK, bytes.size));
  for (let offset = 0; offset < bytes.size; offset += buffer.length) {
    const part = buffer.subarray(0, Math.min(buffer.length, bytes.size - offset));
    await bytes.read(offset, part, signal);
    yield { offset, bytes: part };
  }
}

export const raw = {
  id: "raw",
  label: "Raw",
  options: RawOptions,
  matches: () => false,
  async open(image, signal?: AbortSignal) {
    const { size } = image.bytes;
    const { cutOff, sectorBytes } = await tableWords(image, signal);
    const missing = (SECTOR - (size % SECTOR)) % SECTOR;
    const file = new FlatDisk(image, 0, size);
    const disk = missing === 0 ? file : new ConcatDisk([file, new ZeroDisk(missing)]);
    return {
      facts: {
        format: "raw",
        variant: image.bytes.allocated === undefined ? "flat" : "sparse",
        virtualSize: disk.size,
        files: [image.name],
        details: sectorBytes === null || sectorBytes === SECTOR ? {} : { logicalSectorSize: sectorBytes },
        notes: [
          ...(missing === 0
            ? []
            : [
                `${image.name} has ${size} bytes, which is no whole number of sectors: ${missing} zero bytes were added.`,
              ]),
          ...(cutOff === null ? [] : [cutOff]),
        ],
      },
      disk,
      [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
    };
  },
  async forward(image) {
    const size = Math.ceil(image.bytes.size / SECTOR) * SECTOR;
    return {
      facts: { format: "raw", variant: "flat", virtualSize: size, files: [image.name], details: {}, notes: [] },
      size,
      order: "forward",
      pieces: (signal) => chunks(image, signal),
      [Symbol.asyncDispose]: () => image.bytes[Symbol.asyncDispose](),
    };
  },
  plan: async (disk, options, signal) => ({ ...(await planRaw(disk, signal)), ...setAside(options, disk.size) }),
  layOut: (size, options) => ({
    blockBytes: 1_048_576,
    dataAt: 0,
    everyBlock: true,
    ...setAside(options, size),
    around: () => ({ regions: [], length: size }),
  }),
} satisfies DiskFormat<RawOptions>;

function setAside({ preallocation: how }: RawOptions, length: number): { preallocation?: Preallocation } {
  return how === "off" ? {} : { preallocation: { how, length } };
}
