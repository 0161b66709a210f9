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

export const XvaOptions = z.strictObject({
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

/** One block on its way: its entry and that of its checksum as they stand in the archive. */
class BlockEntry {
  index = 0;
  #length = 0;
  #ready: Promise<void> = Promise.resolve();
  readonly #bytes = Buffer.alloc(TAR_BLOCK + BLOCK + 2 * TAR_BLOCK);

  get data(): Buffer {
    return this.#bytes.subarray(TAR_BLOCK, TAR_BLOCK + this.#length);
  }

  start(disk: BlockSource, index: number, signal: AbortSignal | undefined): void {
    this.index = index;
    this.#length = Math.min(BLOCK, disk.size - index * BLOCK);
    this.#ready = disk.read(index * BLOCK, this.data, signal);
    this.#ready.catch(() => undefined);
  }

  async read(): Promise<Buffer> {
    await this.#ready;
    return this.data;
  }

  /** Valid until the next start. */
  pack(folder: string, checksum: BlockChecksum): Buffer {
    const name = `${folder}/${String(this.index).padStart(8, "0")}`;
    const sum = blockChecksum(checksum, this.data);
    const behind = TAR_BLOCK + this.#length + tarPadding(this.#length);
    encodeTarHeader(name, this.#length).copy(this.#bytes);
    this.#bytes.fill(0, TAR_BLOCK + this.#length);
    encodeTarHeader(`${name}${CHECKSUM_FILE[checksum].ending}`, sum.length).copy(this.#bytes, behind);
    this.#bytes.write(sum, behind + TAR_BLOCK, "latin1");
    return this.#bytes.subarray(0, behind + 2 * TAR_BLOCK);
  }

  /** Nothing is read any more. */
  async settle(): Promise<void> {
    await this.#ready.catch(() => undefined);
  }
}

/** The next block is read while one is checked and written. Answers the disk's fingerprint. */
async function writeBlocks(disk: BlockSource, into: BlockSink, signal: AbortSignal | undefined): Promise<string> {
  await using feed = new FingerprintFeed(disk, signal);
  const count = Math.ceil(disk.size / BLOCK);
  let ahead = new BlockEntry();
  let current = new BlockEntry();
  const send = async (entry: BlockEntry): Promise<void> => {
    const { index } = entry;
    const block = await entry.read();
    await feed.take(index * BLOCK, block);
    // The first and the last are always there: they tell a reader that the disk is whole.
    if (index > 0 && index < count - 1 && isZero(block)) return;
    await into.write(entry.pack(into.folder, into.checksum));
    into.onDone(index * BLOCK + block.length);
  };
  try {
    let waiting = false;
    for await (const index of blocksWithData(disk, count, signal)) {
      signal?.throwIfAborted();
      ahead.start(disk, index, signal);
      if (waiting) await send(current);
      [current, ahead] = [ahead, current];
      waiting = true;
    }
    if (waiting) await send(current);
  } finally {
    await current.settle();
    await ahead.settle();
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
