/** Images by path: what the command line does, without a server. */
import { realpath, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import type { BlockSource } from "./block-source.ts";
import type { ContainedImage } from "./containers/container.ts";
import { convertDisk, type Conversion, convertWithoutFingerprint } from "./convert.ts";
import { convertStream } from "./convert-stream.ts";
import { mainFileOf } from "./files/bundle.ts";
import { refuseOwnFile } from "./files/own-file.ts";
import { createFilePair, type FilePairSinks } from "./files/file-pair.ts";
import { createZstdSink } from "./files/zstd-sink.ts";
import { fingerprintDisk } from "./fingerprint.ts";
import type { ImageFacts } from "./format.ts";
import type { ByteSink } from "./io.ts";
import { openPipe, openSource, type OpenSourceOptions, spoolBeside } from "./open-source.ts";
import { convertResumable } from "./resume/convert-resumable.ts";
import { shareDisk } from "./share/share-disk.ts";
import type { TransferProgress } from "./write-plan.ts";

export interface FingerprintFileOptions extends OpenSourceOptions {
  readonly onProgress?: (progress: TransferProgress) => void;
}

/** A source that is open. */
export interface OpenedForConversion {
  readonly facts: ImageFacts;
  /** Null: the source passes by only once. */
  readonly disk: BlockSource | null;
}

export interface ConvertFileOptions extends FingerprintFileOptions {
  /** Told once, before anything is written. */
  readonly onOpened?: (source: OpenedForConversion) => Promise<void>;
  /** A path; with `input`, what to call it. */
  readonly source: string;
  /** The source as it passes by. Its buffers must not be used again. */
  readonly input?: AsyncIterable<Uint8Array>;
  /** A path; with `sink`, what to call it. */
  readonly target: string;
  /** The target, when it is no path. Disposed by us. */
  readonly sink?: ByteSink;
  readonly to: DiskFormatId;
  readonly options: Record<string, unknown>;
  /** Replace the target if it exists. */
  readonly overwrite?: boolean;
  /** The target may name the source's file instead of copying it: see shareDisk. Default false. */
  readonly share?: boolean;
  /** Default true. What is shared is not read and has none. */
  readonly fingerprint?: boolean;
  /** Keep what was written when it ends early, and go on from what an earlier attempt has left. */
  readonly resume?: boolean;
  /** Pack the whole target file. */
  readonly compress?: "zst";
}

export interface FileConversion extends Omit<Conversion, "fingerprint"> {
  /** Of the source disk: `sv1:…`; null when it was not asked for or not read. */
  readonly fingerprint: string | null;
  /** The file that the target shares, null when it is a copy. */
  readonly sharedWith: string | null;
  /** Why the disk was kept in a spool file meanwhile; null when it was not. */
  readonly spooled: string | null;
  /** Bytes of the file that an earlier attempt had written. */
  readonly resumedAt?: number;
}

/** Opens for reading only, at random access; disposing the result closes all its files. Throws `io.*`, `image.*`. */
export async function openInspection(path: string, options: OpenSourceOptions = {}): Promise<ContainedImage> {
  const opened = await openSource(path, options, true);
  if ("disk" in opened) return opened;
  await opened[Symbol.asyncDispose]();
  throw new AppError("internal", "image.not-kept", `${path} passes by only once.`);
}

/** Nothing is left under the target's name unless the whole conversion succeeded. */
export async function convertFile(request: ConvertFileOptions): Promise<FileConversion> {
  const { input, target, to, options, signal, onProgress, onSpool, compress } = request;
  const source = input === undefined ? await mainFileOf(request.source) : request.source;
  const overwrite = request.overwrite ?? false;
  const toPath = request.sink === undefined;
  const spool = request.spool ?? (toPath ? spoolBeside(target) : { folder: tmpdir(), name: "convert" });
  const opening = { ...request, spool, check: true };
  await using opened =
    input === undefined ? await openSource(source, opening, false) : await openPipe(input, source, opening);
  const spare = async (path: string): Promise<void> => {
    if (input === undefined && toPath) await refuseOwnFile(source, opened.facts.files, path);
  };
  await spare(target);
  const facts = { ...opened.facts, notes: [...opened.facts.notes, ...sectorNotes(opened.facts, request)] };
  await request.onOpened?.({ facts, disk: "disk" in opened ? opened.disk : null });
  const stop = signal === undefined ? {} : { signal };
  const plain = toPath && compress === undefined;
  if (request.share === true && plain && "disk" in opened && opened.spooled === null) {
    const shared = await shareDisk({ disk: opened.disk, to, options, target, overwrite, ...stop });
    if (shared !== null) return { ...shared, fingerprint: null, spooled: null };
  }
  if (request.resume === true) {
    if (!plain || !("disk" in opened) || opened.spooled !== null || input !== undefined) throw notResumable(target);
    const { disk, verify } = opened;
    const resumed = await convertResumable({
      disk,
      identity: await identityOf(source, opened.facts.files),
      to,
      options,
      target,
      overwrite,
      ...stop,
      ...(onProgress === undefined ? {} : { onProgress }),
      ...(verify === undefined ? {} : { beforeCommit: verify }),
    });
    return { ...resumed, sharedWith: null, spooled: null };
  }
  await using place = await openTarget(request, overwrite);
  const work = {
    to,
    options,
    sink: place.sink,
    ...(place.files === null || !plain ? {} : { pair: pairOf(place.files, target, spare) }),
    ...stop,
    ...(onProgress === undefined ? {} : { onProgress }),
  };
  if ("pieces" in opened) {
    const told = onSpool === undefined ? {} : { onSpool };
    return { ...(await convertStream({ stream: opened, spool, ...told, ...work })), sharedWith: null };
  }
  const { disk, verify, spooled } = opened;
  const whole = { disk, ...work, ...(verify === undefined ? {} : { beforeCommit: verify }) };
  const done =
    request.fingerprint === false
      ? { ...(await convertWithoutFingerprint(whole)), fingerprint: null }
      : await convertDisk(whole);
  return { ...done, sharedWith: null, spooled };
}

/** A guest that was installed on other sectors counts its partitions in those. */
function sectorNotes({ details }: ImageFacts, { to, options }: ConvertFileOptions): readonly string[] {
  const sector = details["logicalSectorSize"];
  const kept = to === "vhdx" ? Number(options["logical_sector_size"] ?? 512) : 512;
  if (typeof sector !== "number" || sector === kept) return [];
  return [
    `The source has logical sectors of ${sector} bytes, the target shows ${kept}: its partition table counts ${sector}, and the guest will not find its partitions unless its sectors stay so. --to vhdx --option logical_sector_size=${sector} keeps them.`,
  ];
}

function notResumable(target: string): AppError {
  return new AppError("invalid", "options.not-resumable", `A conversion to ${target} cannot be resumed.`, {
    hint: "Resuming needs a source that is a file, not packed, and a target that is a file of its own.",
  });
}

/** Changes whenever one of the source's files does. */
async function identityOf(source: string, files: readonly string[]): Promise<string> {
  const folder = dirname(await realpath(source));
  const all = [source, ...files.map((name) => join(folder, name))];
  const found = await Promise.all(all.map((path) => stat(path, { bigint: true }).catch(() => null)));
  return found
    .map((s) =>
      s === null
        ? "-"
        : s.isDirectory()
          ? `${s.dev}:${s.ino}`
          : `${s.dev}:${s.ino}:${s.size}:${s.mtimeNs}:${s.ctimeNs}`,
    )
    .join(" ");
}

interface Target extends AsyncDisposable {
  readonly sink: ByteSink;
  /** null: no path was named. */
  readonly files: FilePairSinks | null;
}

async function openTarget({ target, sink, compress }: ConvertFileOptions, overwrite: boolean): Promise<Target> {
  const files = sink === undefined ? await createFilePair(target, { overwrite }) : null;
  const file = sink ?? files?.main;
  if (file === undefined) throw new RangeError("there is no target");
  const outer = compress === "zst" ? createZstdSink(file) : file;
  return {
    sink: outer,
    files,
    async [Symbol.asyncDispose]() {
      await outer[Symbol.asyncDispose]();
      await files?.[Symbol.asyncDispose]();
    },
  };
}

function pairOf(files: FilePairSinks, target: string, spare: (path: string) => Promise<void>) {
  return {
    fileName: files.fileName,
    beside: async (name: string) => {
      await spare(join(dirname(target), name));
      return files.beside(name);
    },
  };
}

/** `sv1:…`, the same for the same disk in every format. */
export async function fingerprintFile(path: string, options: FingerprintFileOptions = {}): Promise<string> {
  await using opened = await openInspection(path, options);
  return await fingerprintDisk(opened.disk, options);
}
