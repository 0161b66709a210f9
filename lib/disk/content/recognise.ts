/** What a file is that no disk format recognises: by what it begins and ends with, in two reads. */
import type { ImageFile } from "../io.ts";
import { isZero } from "../zeros.ts";
import { type Content, HEAD_BYTES, type Sample, TAIL_BYTES } from "./content.ts";
import { diskEvidence } from "./disk-evidence.ts";
import { bySignature } from "./signatures.ts";
import { byText } from "./text-file.ts";

const EMPTY: Content = {
  kind: "other",
  code: "image.not-a-disk",
  what: "is empty: it has no bytes",
  hint: "The download or the copy has not brought anything: get the file again.",
};

export async function recognise(image: ImageFile, signal?: AbortSignal): Promise<Content> {
  if (image.bytes.size === 0) return EMPTY;
  const sample = await takeSample(image, signal);
  const other = bySignature(sample) ?? byText(sample);
  if (other !== null) return { kind: "other", ...other };
  const disk = diskEvidence(sample);
  if (disk !== null) return { kind: "disk", what: disk.what, partitioned: disk.needs > 0 };
  return { kind: "unknown", zeros: await allZeros(image, sample, signal) };
}

/** What the partition table of a raw disk says of the disk as a whole. */
export interface TableWords {
  /** For a note: the disk is longer than the file; null: it is not. */
  readonly cutOff: string | null;
  /** Bytes of the sectors that it counts; null: it does not tell. */
  readonly sectorBytes: number | null;
}

export async function tableWords({ name, bytes }: ImageFile, signal?: AbortSignal): Promise<TableWords> {
  const { size } = bytes;
  const head = Buffer.alloc(Math.min(TABLE_BYTES, size));
  await bytes.read(0, head, signal);
  const found = diskEvidence({ name, size, head, tail: Buffer.alloc(0) });
  const needs = found?.needs ?? 0;
  const short = needs > Math.max(size, 512);
  return {
    cutOff: short
      ? `Its partition table is of a disk of ${needs} bytes, ${name} has ${size}: it may be cut off, or one part of several.`
      : null,
    sectorBytes: found?.sectorBytes ?? null,
  };
}

async function takeSample({ name, bytes }: ImageFile, signal: AbortSignal | undefined): Promise<Sample> {
  const { size } = bytes;
  const head = Buffer.alloc(Math.min(HEAD_BYTES, size));
  const tail = Buffer.alloc(Math.min(TAIL_BYTES, size));
  await bytes.read(0, head, signal);
  await bytes.read(size - tail.length, tail, signal);
  return { name, size, head, tail };
}

/** A file of holes is known to be; of any other its ends and some places between are looked at. */
async function allZeros({ bytes }: ImageFile, sample: Sample, signal: AbortSignal | undefined): Promise<boolean> {
  if (!isZero(sample.head) || !isZero(sample.tail)) return false;
  const part = Buffer.alloc(Math.min(TAIL_BYTES, sample.size));
  for (let i = 1; i < PLACES; i++) {
    await bytes.read(Math.floor(((sample.size - part.length) * i) / PLACES), part, signal);
    if (!isZero(part)) return false;
  }
  return true;
}

const PLACES = 256;
/** Partition tables of both sizes of sectors begin in it. */
const TABLE_BYTES = 8192;
