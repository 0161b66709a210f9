/** Images by path: what the command line does, without a server. */
import { realpath, stat } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import { convertDisk, type Conversion, convertWithoutFingerprint } from "./convert.ts";
import { createFilePair } from "./files/file-pair.ts";
import { openImageFile } from "./files/image-file.ts";
import { fingerprintDisk } from "./fingerprint.ts";
import type { ContainedImage } from "./containers/container.ts";
import { openDisk, type OpenDiskOptions } from "./open-disk.ts";
import { detectFormat } from "./registry.ts";
import { shareDisk } from "./share/share-disk.ts";
import type { TransferProgress } from "./write-plan.ts";

/** A person who names a file like this says that it is raw, unless its content says otherwise. */
const RAW_NAMES = new Set([".raw", ".img", ".dd"]);

export interface FingerprintFileOptions extends OpenDiskOptions {
  readonly onProgress?: (progress: TransferProgress) => void;
}

export interface ConvertFileOptions extends FingerprintFileOptions {
  readonly source: string;
  readonly target: string;
  readonly to: DiskFormatId;
  readonly options: Record<string, unknown>;
  /** Replace the target if it exists. */
  readonly overwrite?: boolean;
  /** The target may name the source's file instead of copying it: see shareDisk. Default false. */
  readonly share?: boolean;
  /** Default true. What is shared is not read and has none. */
  readonly fingerprint?: boolean;
}

export interface FileConversion extends Omit<Conversion, "fingerprint"> {
  /** Of the source disk: `sv1:…`; null when it was not asked for or not read. */
  readonly fingerprint: string | null;
  /** The file that the target shares, null when it is a copy. */
  readonly sharedWith: string | null;
}

/** Opens for reading only; disposing the result closes all its files. Throws `io.*`, `image.*`. */
export async function openInspection(path: string, options: OpenDiskOptions = {}): Promise<ContainedImage> {
  const { signal } = options;
  const image = await openImageFile(path);
  try {
    const rawByName =
      options.from === undefined &&
      options.disk === undefined &&
      RAW_NAMES.has(extname(path).toLowerCase()) &&
      (await detectFormat(image, signal)) === null;
    const from = rawByName ? "raw" : options.from;
    const opened = await openDisk(image, { ...options, ...(from === undefined ? {} : { from }) });
    return {
      facts: opened.facts,
      disk: opened.disk,
      ...(opened.verify === undefined ? {} : { verify: opened.verify }),
      async [Symbol.asyncDispose]() {
        await opened[Symbol.asyncDispose]();
        await image[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await image[Symbol.asyncDispose]();
    throw error;
  }
}

/** Throws `io.same-file` (invalid): a source is never written, not even when the target may be replaced. */
async function refuseOwnFile(source: string, files: readonly string[], target: string): Promise<void> {
  const place = await stat(target).catch(() => null);
  if (place === null) return;
  const folder = dirname(await realpath(source).catch(() => source));
  for (const path of [source, ...files.map((name) => join(folder, name))]) {
    const own = await stat(path).catch(() => null);
    if (own === null || own.dev !== place.dev || own.ino !== place.ino) continue;
    throw new AppError("invalid", "io.same-file", `${target} belongs to the image that is to be converted.`, {
      hint: "Choose another name for the result.",
    });
  }
}

/** Nothing is left under the target's name unless the whole conversion succeeded. */
export async function convertFile(request: ConvertFileOptions): Promise<FileConversion> {
  const { source, target, to, options, signal, onProgress } = request;
  const overwrite = request.overwrite ?? false;
  await using opened = await openInspection(source, { ...request, check: true });
  const { disk, verify } = opened;
  const spare = (path: string) => refuseOwnFile(source, opened.facts.files, path);
  await spare(target);
  const stop = signal === undefined ? {} : { signal };
  if (request.share === true) {
    const shared = await shareDisk({ disk, to, options, target, overwrite, ...stop });
    if (shared !== null) return { ...shared, fingerprint: null };
  }
  await using files = await createFilePair(target, { overwrite });
  const work = {
    disk,
    to,
    options,
    sink: files.main,
    pair: {
      fileName: files.fileName,
      beside: async (name: string) => {
        await spare(join(dirname(target), name));
        return files.beside(name);
      },
    },
    ...(verify === undefined ? {} : { beforeCommit: verify }),
    ...stop,
    ...(onProgress === undefined ? {} : { onProgress }),
  };
  const done =
    request.fingerprint === false
      ? { ...(await convertWithoutFingerprint(work)), fingerprint: null }
      : await convertDisk(work);
  return { ...done, sharedWith: null };
}

/** `sv1:…`, the same for the same disk in every format. */
export async function fingerprintFile(path: string, options: FingerprintFileOptions = {}): Promise<string> {
  await using opened = await openInspection(path, options);
  return await fingerprintDisk(opened.disk, options);
}
