/** What a person names as a source: an image, a package, a machine's folder, a packed file around either, or a pipe. */
import { tmpdir } from "node:os";
import { basename, dirname, extname, resolve } from "node:path";
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import type { ContainedImage } from "./containers/container.ts";
import { openGiven } from "./files/open-given.ts";
import type { FileGuard } from "./files/open-located.ts";
import { createSpool, type SpoolPlace } from "./files/spool.ts";
import type { OpenedStream } from "./format.ts";
import { type ForwardImage, openForwardBytes } from "./forward/open-forward.ts";
import type { ImageFile } from "./io.ts";
import { isFolder, openDisk, type OpenDiskOptions } from "./open-disk.ts";
import { namedRaw, rawByName, withNotes } from "./open-named.ts";
import { openPacked, peek, unpackBytes } from "./wrappers/open-packed.ts";
import { namedPacked, type Packing, PACKING_HEAD, packingOf, packingOfFile } from "./wrappers/packing.ts";
import { dataParts } from "./zeros.ts";

export interface OpenSourceOptions extends OpenDiskOptions {
  /** Read an image of this machine's disk that was not closed cleanly; else it is refused (`image.dirty`). */
  readonly acceptDirty?: boolean;
  /** As for `openGiven`. */
  readonly guard?: FileGuard;
  /** Where what cannot be read as it passes by is kept. Default: the system's folder for temporary files. */
  readonly spool?: SpoolPlace;
  /** Why it is kept, in words for a person. */
  readonly onSpool?: (reason: string) => void;
  /** Bytes of the unpacked file while it is kept. */
  readonly onSpoolBytes?: (bytes: number) => void;
}

/** Either at random access or passing by. */
export type OpenedSource =
  | (ContainedImage & { readonly spooled: string | null })
  | (OpenedStream & { readonly spooled: null });

/** `keep`: at random access, whatever it takes. Disposing it closes all its files. Throws `io.*`, `image.*`. */
export async function openSource(path: string, options: OpenSourceOptions, keep: boolean): Promise<OpenedSource> {
  const { signal, from } = options;
  const image = await openGiven(path, {
    acceptDirty: options.acceptDirty ?? false,
    ...(options.guard === undefined ? {} : { guard: options.guard }),
  });
  try {
    const packing = isFolder(image) ? null : await packingToOpen(image, from, signal);
    if (packing !== null)
      return owning(
        asSource(await openPacked(image, packing, { ...passing(image.name, packing, options), keep })),
        image,
      );
    const byName =
      from === undefined && options.disk === undefined && !isFolder(image) ? await rawByName(image, signal) : null;
    const opened = await openDisk(image, { ...options, ...(byName === null ? {} : { from: "raw" as const }) });
    return owning(
      {
        ...opened,
        facts: withNotes(opened.facts, byName?.notes ?? []),
        spooled: null,
        [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
      },
      image,
    );
  } catch (error) {
    await image[Symbol.asyncDispose]();
    throw error;
  }
}

/** Content tells packing; whoever says raw, or names a file so, means its bytes, unless its name says packed as well. */
async function packingToOpen(
  image: ImageFile,
  from: SourceFormatId | undefined,
  signal: AbortSignal | undefined,
): Promise<Packing | null> {
  const packing = await packingOfFile(image.bytes, signal);
  if (packing === null || namedPacked(image.name, packing)) return packing;
  return from === "raw" || namedRaw(image.name) ? null : packing;
}

function passing(name: string, packing: Packing, options: OpenSourceOptions) {
  const { from, disk, spool, ...more } = options;
  return {
    ...more,
    ...(from === undefined ? {} : { from }),
    ...(disk === undefined ? {} : { disk }),
    rawIfUnknown: namedRaw(name.slice(0, -extname(name).length)) && packing !== "zip",
    spool: spool ?? { folder: tmpdir(), name: "unpack" },
  };
}

function asSource(found: ForwardImage): OpenedSource {
  const { image, spooled } = found;
  if (image === null) return { ...found, pieces: (signal) => found.pieces(signal), spooled: null };
  return { ...image, spooled, [Symbol.asyncDispose]: () => found[Symbol.asyncDispose]() };
}

function owning(source: OpenedSource, file: AsyncDisposable): OpenedSource {
  return {
    ...source,
    async [Symbol.asyncDispose]() {
      await source[Symbol.asyncDispose]();
      await file[Symbol.asyncDispose]();
    },
  };
}

/** Standard input and the like, packed or not. Zip needs its end first and is kept. Buffers must not be used again. */
export async function openPipe(
  input: AsyncIterable<Uint8Array>,
  name: string,
  options: OpenSourceOptions = {},
): Promise<OpenedSource> {
  const { from, signal, spool = { folder: tmpdir(), name: "pipe" }, ...more } = options;
  const { head, all } = await peek(input, PACKING_HEAD);
  const packing = from === "raw" ? null : packingOf(head);
  const stop = signal === undefined ? {} : { signal };
  if (packing === "zip") {
    const reason = `${name} is a zip, whose directory stands at its end`;
    options.onSpool?.(reason);
    await using kept = await createSpool(spool);
    let at = 0;
    for await (const bytes of all) {
      signal?.throwIfAborted();
      for (const [start, end] of dataParts(bytes, at, 0)) await kept.write(at + start, bytes.subarray(start, end));
      at += bytes.length;
    }
    const bytes = await kept.source(at, name);
    const image: ImageFile = { name, bytes, sibling: () => Promise.reject(new Error("a pipe has nothing beside it")) };
    try {
      const { onSpool: _told, ...rest } = more;
      const opened = await openPacked(image, "zip", {
        ...rest,
        ...stop,
        spool,
        ...(from === undefined ? {} : { from }),
      });
      return owning(asSource(opened), bytes);
    } catch (error) {
      await bytes[Symbol.asyncDispose]();
      throw error;
    }
  }
  const file = packing === null ? { name, bytes: all } : await unpackBytes(name, packing, all, undefined, signal);
  return asSource(await openForwardBytes(from ?? null, file.bytes, { ...more, ...stop, name: file.name, spool }));
}

/** Spool files of a conversion lie beside its target: there is where room was made. */
export function spoolBeside(target: string): SpoolPlace {
  return {
    folder: dirname(resolve(target)),
    name: `convert-${basename(target)
      .replace(/[^A-Za-z0-9-]/g, "-")
      .slice(0, 40)}`,
  };
}
