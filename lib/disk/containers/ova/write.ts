/**
 * Writes an OVA: descriptor, disks as streamOptimized VMDK, manifest. A tar says the size of an entry before its bytes,
 * and a compressed disk has none before its end: a target that can seek gets its headers last, any other is given
 * everything in a second pass. See docs/adr/008.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { AppError } from "#lib/errors.ts";
import type { BlockSource } from "../../block-source.ts";
import { LeafDigests } from "../../copy/leaf-digests.ts";
import type { ByteSink } from "../../io.ts";
import { formatOf } from "../../registry.ts";
import { writeStream } from "../../write-plan.ts";
import { fileStem, overAll, requireDisks, type PackageRequest, type PackageWritten } from "../package.ts";
import { encodeTarHeader, TAR_BLOCK, tarPadding } from "../tar/header.ts";
import { controllerOf } from "./controllers.ts";
import { describeMachine, type DescribedDisk } from "./describe.ts";
import { OvaOptions } from "./options.ts";

/** As long as any file's size can be in the descriptor. */
const LONGEST_SIZE = Number.MAX_SAFE_INTEGER;
const SECTOR = 512;
/** Two blocks of zeros end an archive. */
const END_BYTES = 2 * TAR_BLOCK;

interface PackedDisk {
  readonly length: number;
  readonly digest: string;
  readonly fingerprint: string;
}

/** Throws `options.invalid`, `package.no-disks`, `package.too-many-disks`, `package.changed`, and what disks and sink throw. */
export async function writeOva(request: PackageRequest): Promise<PackageWritten> {
  const { machine, disks, sink, signal } = request;
  const options = parseOvaOptions(request.options);
  const controller = controllerOf(machine.bus, options.target);
  requireDisks(disks, controller.places.length * controller.most, `A machine with ${controller.label}s`);
  const stem = fileStem(machine.name);
  const uuid = randomUUID();
  const described = await Promise.all(
    disks.map(async (disk, i): Promise<DescribedDisk> => {
      const capacity = Math.ceil(disk.size / SECTOR) * SECTOR;
      return {
        file: `${stem}-disk${i + 1}.vmdk`,
        size: LONGEST_SIZE,
        capacity,
        populated: await dataBytes(disk, signal),
        uuid: randomUUID(),
      };
    }),
  );
  const vmdk = {
    subformat: "streamOptimized",
    adapter_type: controller.adapterType,
    hwversion: options.hwversion,
    ...(options.compression_level === undefined ? {} : { compression_level: options.compression_level }),
  };
  // Both are said, so that two passes make the same bytes.
  const ids = disks.map(() => randomBytes(4).fill(0x5a, 0, 1).toString("hex"));
  // VMware's own prefix of serial numbers.
  const serials = disks.map(() => `6000c29${randomBytes(13).toString("hex").slice(1)}`);
  const passes = sink.seekable ? 1 : 2;
  const progress = overAll(disks, passes, request.onProgress);
  const archive = new Archive(sink, signal);
  const pack = (pass: number, index: number, into: ByteSink["write"] | null) =>
    packDisk({
      disk: disks[index] as BlockSource,
      options: { ...vmdk, cid: ids[index], uuid: serials[index] },
      algorithm: options.manifest === "none" ? "sha256" : options.manifest,
      into,
      onDone: (done) => progress.at(pass, index, done, archive.moved),
      ...(signal === undefined ? {} : { signal }),
    });

  const text = (packed: readonly PackedDisk[]) =>
    describeMachine(
      machine,
      described.map((disk, i) => ({ ...disk, size: packed[i]?.length ?? disk.size })),
      { ...options, uuid },
    );
  const packed: PackedDisk[] = [];
  if (!sink.seekable) for (const i of disks.keys()) packed.push(await pack(0, i, null));
  // Room for the longest; white space may follow the root element.
  const room = Buffer.byteLength(text([]));
  const descriptor = () => Buffer.from(text(packed).padEnd(room, "\n"));
  if (sink.seekable) archive.skip(room);
  else await archive.file(`${stem}.ovf`, descriptor());
  for (const [i, { file }] of described.entries()) {
    const known = packed[i];
    const headerAt = await archive.begin(file, known?.length ?? null);
    const now = await pack(passes - 1, i, (offset, bytes) => archive.write(headerAt + TAR_BLOCK + offset, bytes));
    if (known === undefined) packed.push(now);
    else if (known.digest !== now.digest) throw changed(file);
    await archive.end(file, headerAt, now.length, known !== undefined);
  }
  if (sink.seekable) await archive.fileAt(0, `${stem}.ovf`, descriptor());
  if (options.manifest !== "none") {
    const { manifest } = options;
    const digest = createHash(manifest).update(descriptor()).digest("hex");
    const lines = [
      [`${stem}.ovf`, digest] as const,
      ...described.map(({ file }, i) => [file, packed[i]?.digest] as const),
    ];
    const name = manifest.toUpperCase();
    await archive.file(`${stem}.mf`, Buffer.from(lines.map(([file, of]) => `${name}(${file})= ${of}\n`).join("")));
  }
  await request.beforeCommit?.(signal);
  await sink.commit(archive.at + END_BYTES, signal);
  return {
    fileLength: archive.at + END_BYTES,
    moved: archive.moved,
    fingerprints: packed.map(({ fingerprint }) => fingerprint),
  };
}

function parseOvaOptions(given: Readonly<Record<string, unknown>>): OvaOptions {
  const parsed = OvaOptions.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new AppError(
    "invalid",
    "options.invalid",
    `OVA does not take this option ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "invalid"}.`,
  );
}

function changed(file: string): AppError {
  return new AppError("conflict", "package.changed", `The disk behind ${file} changed while it was packed.`, {
    hint: "Stop whatever writes to it, and pack it again.",
    details: { file },
  });
}

async function dataBytes(disk: BlockSource, signal: AbortSignal | undefined): Promise<number> {
  let sum = 0;
  for await (const extent of disk.extents(signal)) if (extent.kind === "data") sum += extent.length;
  return sum;
}

interface PackDisk {
  readonly disk: BlockSource;
  readonly options: Readonly<Record<string, unknown>>;
  readonly algorithm: string;
  /** Null: only the length and the digest are wanted. Offsets within the file. */
  readonly into: ByteSink["write"] | null;
  readonly onDone: (done: number) => void;
  readonly signal?: AbortSignal;
}

async function packDisk({ disk, options, algorithm, into, onDone, signal }: PackDisk): Promise<PackedDisk> {
  const format = formatOf("vmdk");
  const parsed = format.options.parse(options);
  const digests = new LeafDigests();
  const watched: BlockSource = {
    size: disk.size,
    read: (offset, bytes, stop) => disk.read(offset, bytes, stop),
    ...(disk.locate === undefined ? {} : { locate: disk.locate.bind(disk) }),
    async *extents(stop) {
      for await (const extent of disk.extents(stop)) {
        yield extent;
        onDone(extent.offset + extent.length);
      }
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  const hash = createHash(algorithm);
  const sink: ByteSink = {
    seekable: false,
    async write(offset, bytes, stop) {
      hash.update(bytes);
      await into?.(offset, bytes, stop);
    },
    commit: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  if (format.stream === undefined) throw new AppError("internal", "image.not-streamable", "VMDK cannot be streamed.");
  const { fileLength } = await writeStream({
    stream: format.stream(watched, parsed, signal, digests),
    sink,
    ...(signal === undefined ? {} : { signal }),
  });
  const fingerprint = digests.finish(disk.size);
  onDone(disk.size);
  return { length: fileLength, digest: hash.digest("hex"), fingerprint };
}

/** A tar being written: where it is, and what went into it. */
class Archive {
  readonly #sink: ByteSink;
  readonly #signal: AbortSignal | undefined;
  at = 0;
  moved = 0;

  constructor(sink: ByteSink, signal: AbortSignal | undefined) {
    this.#sink = sink;
    this.#signal = signal;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    await this.#sink.write(offset, bytes, this.#signal);
    this.moved += bytes.length;
  }

  /** Leaves room for a file that is written later. */
  skip(size: number): void {
    this.at += TAR_BLOCK + size + tarPadding(size);
  }

  async fileAt(at: number, name: string, bytes: Buffer): Promise<void> {
    await this.write(at, Buffer.concat([encodeTarHeader(name, bytes.length), bytes]));
  }

  async file(name: string, bytes: Buffer): Promise<void> {
    await this.fileAt(this.at, name, bytes);
    this.skip(bytes.length);
  }

  /** Answers where the header stands, which is written now when the size is known. */
  async begin(name: string, size: number | null): Promise<number> {
    if (size !== null) await this.write(this.at, encodeTarHeader(name, size));
    return this.at;
  }

  async end(name: string, headerAt: number, size: number, written: boolean): Promise<void> {
    if (!written) await this.write(headerAt, encodeTarHeader(name, size));
    this.skip(size);
  }
}
