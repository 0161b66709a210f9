/** An image whose file passes by once: exports of hosts, pipes, packed files. */
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import { createSpool, type SpoolPlace } from "../files/spool.ts";
import type { ImageFacts, ImageFormat, OpenedImage, OpenedStream } from "../format.ts";
import type { ImageFile } from "../io.ts";
import type { MachineChoice } from "../containers/container.ts";
import { detectContainer } from "../containers/detect.ts";
import { openDisk } from "../open-disk.ts";
import { looksRaw, withNotes } from "../open-named.ts";
import { formatsOf, FORMATS, newContext } from "../registry.ts";
import { dataParts } from "../zeros.ts";
import { ByteWindow, EndFound, NotForward } from "./byte-window.ts";
import { storedOrder, storedPieces } from "./stored-pieces.ts";
import { streamOf } from "./stream-of.ts";

export interface OpenForwardOptions extends MachineChoice {
  /** For messages, e.g. `disk-0.vmdk`. */
  readonly name?: string;
  /** Length of the stream in bytes, when somebody vouches for it. Raw needs it, or a spool. */
  readonly size?: number;
  /** Raw, when its content says nothing: somebody named it so. */
  readonly rawIfUnknown?: boolean;
  /** Keep it in any case, for who needs random access. */
  readonly keep?: boolean;
  /** Where the file may be kept when it cannot be read front to back. */
  readonly spool?: SpoolPlace;
  /** Told once when it is kept: why, in words for a person. */
  readonly onSpool?: (reason: string) => void;
  /** Bytes of the file that have come in, while it is kept. */
  readonly onSpoolBytes?: (bytes: number) => void;
  /** Of a package of a machine that passes by, which is kept: the disk's place, counted from 1, or its entry's name. */
  readonly disk?: number | string;
  /** Of such a package: make it possible to verify what its manifest says. */
  readonly check?: boolean;
  readonly signal?: AbortSignal;
}

export interface ForwardImage extends OpenedStream {
  /** The image at random access, when it had to be kept; the stream's own. Else null. */
  readonly image: OpenedImage | null;
  /** Why it had to be kept; null when it passes by. */
  readonly spooled: string | null;
}

const HEAD_BYTES = 65_536;
const NOWHERE = new Uint8Array(0);
/** What a file may hold beside its disk: tables, space that was freed, snapshots. */
const SLACK = 1024 ** 3;

/**
 * `format` null: found by what the file begins with. The result owns `bytes`; disposing it ends them.
 * Throws `image.*`, `io.*`, and `stream.needs-spool` for what must be kept when there is no place to.
 */
export async function openForwardBytes(
  format: SourceFormatId | null,
  bytes: AsyncIterable<Uint8Array>,
  options: OpenForwardOptions = {},
): Promise<ForwardImage> {
  const window = new ByteWindow(options.name ?? "the stream", bytes, options.size ?? null);
  try {
    return await passing(window, format, options);
  } catch (error) {
    if (!(error instanceof NotForward)) {
      await window.close();
      throw error;
    }
    try {
      return await kept(window, format, options, error.message);
    } finally {
      await window.close();
    }
  }
}

async function passing(
  window: ByteWindow,
  format: SourceFormatId | null,
  options: OpenForwardOptions,
): Promise<ForwardImage> {
  try {
    return await open(window, format, options);
  } catch (error) {
    // All of the file is in memory by then.
    if (error instanceof EndFound) return open(window, format, options);
    throw error;
  }
}

async function open(
  window: ByteWindow,
  said: SourceFormatId | null,
  options: OpenForwardOptions,
): Promise<ForwardImage> {
  const { signal } = options;
  if (options.keep === true) throw new NotForward("all of it is needed at once");
  const image: ImageFile = {
    name: window.name,
    bytes: window.source(),
    sibling: () => Promise.reject(new NotForward("it names other files")),
  };
  if (said === "raw" && options.size === undefined && image.bytes.size === Number.MAX_SAFE_INTEGER) {
    throw new NotForward("a raw disk does not tell its size before its end");
  }
  const format: ImageFormat = said === "raw" ? FORMATS.raw : await recognise(image, said, signal);
  const opened =
    (await format.forward?.(image, signal)) ?? (await format.open(image, signal, newContext(said !== null)));
  if ("pieces" in opened) {
    window.seal();
    return closing(opened.facts, opened, window);
  }
  const order = await storedOrder(opened.disk, image.bytes, signal);
  if (order.end > 2 * opened.disk.size + SLACK) throw new NotForward("its data lies far apart");
  window.seal();
  const { disk, facts } = opened;
  return closing(
    facts,
    {
      size: disk.size,
      order: order.order,
      pieces: (stop) => storedPieces(disk, order, stop),
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    },
    window,
  );
}

function closing(facts: ImageFacts, stream: Omit<OpenedStream, "facts">, window: ByteWindow): ForwardImage {
  return {
    facts,
    size: stream.size,
    order: stream.order,
    image: null,
    spooled: null,
    async *pieces(signal) {
      try {
        yield* stream.pieces(signal);
        await window.drain(stream.size + SLACK, signal);
      } catch (error) {
        if (!(error instanceof NotForward)) throw error;
        // Its tables were all read, so this is a table that contradicts itself.
        throw new AppError("unprocessable", "image.not-forward", `${window.name} cannot be read front to back.`, {
          hint: "Save it to a file, and read that.",
          details: { file: window.name, offset: 0 },
          cause: error,
        });
      }
    },
    async [Symbol.asyncDispose]() {
      await window.close();
      await stream[Symbol.asyncDispose]();
    },
  };
}

/** By what the file begins with. Throws `NotForward` when only its end could tell. */
async function recognise(image: ImageFile, said: SourceFormatId | null, signal?: AbortSignal): Promise<ImageFormat> {
  const head = Buffer.alloc(Math.min(HEAD_BYTES, image.bytes.size));
  await image.bytes.read(0, head, signal);
  const found = formatsOf(head, NOWHERE);
  const [only] = found;
  if (only === undefined || found.length > 1 || (said !== null && only.id !== said)) {
    throw new NotForward("its beginning does not tell its format");
  }
  return only;
}

/** The whole file on disk, and opened there. */
async function kept(
  window: ByteWindow,
  format: SourceFormatId | null,
  options: OpenForwardOptions,
  why: string,
): Promise<ForwardImage> {
  const { signal } = options;
  const reason = `${window.name} cannot be read front to back: ${why}`;
  if (options.spool === undefined) {
    throw new AppError("unprocessable", "stream.needs-spool", `${reason}.`, {
      hint: "Save it to a file, and read that.",
      details: { file: window.name, offset: 0 },
    });
  }
  await using spool = await createSpool(options.spool);
  options.onSpool?.(reason);
  let at = 0;
  for await (const part of window.all(signal)) {
    for (const [start, end] of dataParts(part, at, 0)) await spool.write(at + start, part.subarray(start, end));
    at += part.length;
    options.onSpoolBytes?.(at);
  }
  const bytes = await spool.source(at, window.name);
  try {
    const file: ImageFile = { name: window.name, bytes, sibling: () => Promise.reject(alone(window.name)) };
    const unsaid = options.rawIfUnknown === true && format === null && (await detectContainer(file, signal)) === null;
    const byName = unsaid ? await looksRaw(file, signal) : null;
    const from = byName === null ? format : "raw";
    const image = await openDisk(file, {
      ...(from === null ? {} : { from }),
      ...(options.disk === undefined ? {} : { disk: options.disk }),
      machine: options.machine ?? null,
      configuration: options.configuration ?? null,
      check: options.check ?? false,
      spool: options.spool,
      ...(signal === undefined ? {} : { signal }),
    });
    const facts = withNotes(image.facts, byName?.notes ?? []);
    return { ...streamOf(image.disk), facts, image, spooled: reason };
  } catch (error) {
    await bytes[Symbol.asyncDispose]();
    throw error;
  }
}

function alone(name: string): AppError {
  return new AppError(
    "unprocessable",
    "image.sibling-missing",
    `${name} needs other files, which do not come with it.`,
    {
      hint: "Bring all files of the image together.",
      details: { file: name, offset: 0 },
    },
  );
}
