/** Writes an XVA, never going back: `ova.xml`, then each disk in blocks with their checksums. Source: xapi, `stream_vdi.ml`. */
import { z } from "zod";
import { AppError } from "#lib/errors.ts";
import type { BlockSource } from "../../block-source.ts";
import { FingerprintFeed } from "../../fingerprint-feed.ts";
import { isZero } from "../../zeros.ts";
import { fileStem, overAll, requireDisks, type PackageRequest, type PackageWritten } from "../package.ts";
import { encodeTarHeader, TAR_BLOCK, tarPadding } from "../tar/header.ts";
import { blockChecksum, CHECKSUM_FILE, type BlockChecksum } from "./checksum.ts";
import { diskRefs, machineRecords } from "./records.ts";

const XvaOptions = z.strictObject({
  /** SHA-1 is read by every version of XenServer; XXH64 by XCP-ng 8.3, XenServer 8 and newer, and faster. */
  checksum: z.enum(["sha1", "xxh64"]).default("sha1"),
});

const BLOCK = 1_048_576;
/** What XenServer lets one machine have. */
const MOST_DISKS = 255;
/** Eight digits number the blocks of a disk. */
const LARGEST_DISK = 99_999_999 * BLOCK;

/** Throws `options.invalid`, `package.no-disks`, `package.too-many-disks`, `image.too-large-for-format`, and what disks and sink throw. */
export async function writeXva(request: PackageRequest): Promise<PackageWritten> {
  const { machine, disks, sink, signal } = request;
  const parsed = XvaOptions.safeParse(request.options);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new AppError(
      "invalid",
      "options.invalid",
      `XVA does not take this option ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "invalid"}.`,
    );
  }
  requireDisks(disks, MOST_DISKS, "A machine of XenServer");
  const refs = diskRefs(disks.length);
  const recorded = disks.map(({ size }, i) => {
    if (size > LARGEST_DISK) {
      throw new AppError(
        "unprocessable",
        "image.too-large-for-format",
        `Disk ${i + 1} has ${size} bytes; XVA ends at ${LARGEST_DISK}.`,
      );
    }
    return { ref: refs[i] ?? "", name: `${fileStem(machine.name)} ${i}`, virtualSize: size };
  });
  const progress = overAll(disks, 1, request.onProgress);
  const records = Buffer.from(machineRecords(machine, recorded));
  let at = 0;
  const write = async (bytes: Uint8Array): Promise<void> => {
    await sink.write(at, bytes, signal);
    at += bytes.length;
  };
  await write(entry("ova.xml", records));
  const fingerprints: string[] = [];
  for (const [i, disk] of disks.entries()) {
    const into: BlockSink = {
      folder: refs[i] ?? "",
      checksum: parsed.data.checksum,
      write,
      onDone: (done) => progress.at(0, i, done, at),
    };
    fingerprints.push(await writeBlocks(disk, into, signal));
  }
  const fileLength = at + 2 * TAR_BLOCK;
  await request.beforeCommit?.(signal);
  await sink.commit(fileLength, signal);
  return { fileLength, moved: at, fingerprints };
}

interface BlockSink {
  readonly folder: string;
  readonly checksum: BlockChecksum;
  readonly write: (bytes: Uint8Array) => Promise<void>;
  readonly onDone: (done: number) => void;
}

/** The next block is read while one is checked and written. Answers the disk's fingerprint. */
async function writeBlocks(disk: BlockSource, into: BlockSink, signal: AbortSignal | undefined): Promise<string> {
  await using feed = new FingerprintFeed(disk, signal);
  const count = Math.ceil(disk.size / BLOCK);
  let ahead: Promise<Buffer> | null = null;
  let current: { index: number; bytes: Promise<Buffer> } | null = null;
  const settle = async ({ index, bytes }: { index: number; bytes: Promise<Buffer> }): Promise<void> => {
    const block = await bytes;
    await feed.take(index * BLOCK, block);
    // The first and the last are always there: they tell a reader that the disk is whole.
    if (index > 0 && index < count - 1 && isZero(block)) return;
    const name = `${into.folder}/${String(index).padStart(8, "0")}`;
    const sum = Buffer.from(blockChecksum(into.checksum, block));
    await into.write(Buffer.concat([entry(name, block), entry(`${name}${CHECKSUM_FILE[into.checksum].ending}`, sum)]));
    into.onDone(index * BLOCK + block.length);
  };
  try {
    for await (const index of blocksWithData(disk, count, signal)) {
      signal?.throwIfAborted();
      const length = Math.min(BLOCK, disk.size - index * BLOCK);
      const buffer = Buffer.allocUnsafe(length);
      ahead = disk.read(index * BLOCK, buffer, signal).then(() => buffer);
      ahead.catch(() => undefined);
      const before: { index: number; bytes: Promise<Buffer> } | null = current;
      current = { index, bytes: ahead };
      if (before !== null) await settle(before);
    }
    if (current !== null) await settle(current);
  } finally {
    // Nothing may still read from the disk when this returns.
    await ahead?.catch(() => undefined);
  }
  into.onDone(disk.size);
  return feed.finish();
}

/** Numbers of blocks that hold data, the first and the last in any case; each once, upwards. */
async function* blocksWithData(disk: BlockSource, count: number, signal?: AbortSignal): AsyncIterable<number> {
  let next = 0;
  const upTo = function* (from: number, to: number) {
    for (let index = Math.max(from, next); index < to; index++) yield index;
    next = Math.max(next, to);
  };
  if (count > 0) yield* upTo(0, 1);
  for await (const { kind, offset, length } of disk.extents(signal)) {
    if (kind === "data") yield* upTo(Math.floor(offset / BLOCK), Math.ceil((offset + length) / BLOCK));
  }
  yield* upTo(Math.max(count - 1, 0), count);
}

function entry(name: string, bytes: Uint8Array): Buffer {
  return Buffer.concat([encodeTarHeader(name, bytes.length), bytes, Buffer.alloc(tarPadding(bytes.length))]);
}
