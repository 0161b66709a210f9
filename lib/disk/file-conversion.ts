/** Images by path: what the command line does, without a server. */
import { extname } from "node:path";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { convertDisk, type Conversion } from "./convert.ts";
import { createFilePair } from "./files/file-pair.ts";
import { openImageFile } from "./files/image-file.ts";
import { fingerprintDisk } from "./fingerprint.ts";
import type { ContainedImage } from "./containers/container.ts";
import { openDisk, type OpenDiskOptions } from "./open-disk.ts";
import { detectFormat } from "./registry.ts";
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

/** Nothing is left under the target's name unless the whole conversion succeeded. */
export async function convertFile(request: ConvertFileOptions): Promise<Conversion> {
  const { source, target, to, options, overwrite, signal, onProgress } = request;
  await using opened = await openInspection(source, { ...request, check: true });
  await using files = await createFilePair(target, { overwrite: overwrite ?? false });
  return await convertDisk({
    disk: opened.disk,
    to,
    options,
    sink: files.main,
    pair: files,
    ...(opened.verify === undefined ? {} : { beforeCommit: opened.verify }),
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
}

/** `sv1:…`, the same for the same disk in every format. */
export async function fingerprintFile(path: string, options: FingerprintFileOptions = {}): Promise<string> {
  await using opened = await openInspection(path, options);
  return await fingerprintDisk(opened.disk, options);
}
