/** A disk of the pool as it passes by: as VHD, where only what is stored travels, or raw from front to back. */
import type { DiskPiece, DiskStream } from "#lib/disk/disk-stream.ts";
import { openForwardBytes } from "#lib/disk/forward/open-forward.ts";
import { dataParts } from "#lib/disk/zeros.ts";
import { AppError } from "#lib/errors.ts";
import { openBulk, type BulkRequest } from "./bulk.ts";
import { unreachable } from "./endpoint.ts";
import type { XapiSession } from "./session.ts";
import { cancelTask, destroyTask, followTask } from "./tasks.ts";

export interface ExportOptions {
  readonly vdi: string;
  readonly format: "raw" | "vhd";
  /** Bytes of the disk; what the repository rounded it up by is left out. */
  readonly size: number;
  readonly doing: string;
  readonly stallMs: number;
  readonly signal?: AbortSignal;
}

/** Zeros shorter than this are handed on as data. */
const SHORTEST_GAP = 65_536;
/** A cut connection: how long the task gets to say why. */
const WHY_MS = 5000;

/** Disposing it ends the export on the host too. */
export async function openExport(session: XapiSession, options: ExportOptions): Promise<DiskStream> {
  const { size, doing } = options;
  const bytes = new ExportedBytes(session, options);
  if (options.format === "raw") return { ...rawStream(bytes, size), [Symbol.asyncDispose]: () => bytes.end() };
  try {
    const image = await openForwardBytes("vhd", bytes.all(), {
      name: doing,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    if (image.size < size) throw truncated(doing, session.name, image.size, size);
    return {
      size,
      order: image.order,
      async *pieces(signal) {
        for await (const { offset, bytes: part } of image.pieces(signal))
          if (offset < size) yield { offset, bytes: part.subarray(0, size - offset) };
      },
      async [Symbol.asyncDispose]() {
        await bytes.end();
        await image[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await bytes.end();
    throw error;
  }
}

function rawStream(bytes: ExportedBytes, size: number): Pick<DiskStream, "size" | "order" | "pieces"> {
  async function* pieces(signal?: AbortSignal): AsyncIterable<DiskPiece> {
    let at = 0;
    for await (const part of bytes.all(signal)) {
      const wanted = part.subarray(0, Math.max(0, Math.min(part.length, size - at)));
      for (const [start, end] of dataParts(wanted, at, SHORTEST_GAP))
        yield { offset: at + start, bytes: wanted.subarray(start, end) };
      at += part.length;
    }
    if (at < size) throw truncated(bytes.doing, bytes.name, at, size);
  }
  return { size, order: "forward", pieces };
}

function truncated(doing: string, name: string, sent: number, size: number): AppError {
  return new AppError("unavailable", "host.truncated", `${doing}: ${name} sent ${sent} of ${size} bytes.`, {
    hint: "Try again; if it stays, look at the storage repository.",
  });
}

/** The body of one export, to be read once. It is whole only when the task says so. */
class ExportedBytes {
  readonly #session: XapiSession;
  readonly #options: ExportOptions;
  #bulk: BulkRequest | null = null;
  #over = false;

  constructor(session: XapiSession, options: ExportOptions) {
    this.#session = session;
    this.#options = options;
  }

  get doing(): string {
    return this.#options.doing;
  }

  get name(): string {
    return this.#bulk?.name ?? this.#session.name;
  }

  async *all(given?: AbortSignal): AsyncIterable<Buffer> {
    const { vdi, format, doing, stallMs } = this.#options;
    const signal = given ?? this.#options.signal;
    const more = signal === undefined ? {} : { signal };
    const bulk = await openBulk(this.#session, {
      method: "GET",
      path: "/export_raw_vdi",
      query: { vdi, format },
      length: null,
      doing,
      ...more,
    });
    this.#bulk = bulk;
    try {
      yield* flowing(bulk, doing, stallMs, signal);
      // The stream simply ends when the host fails: the task knows.
      await followTask(this.#session, bulk.task, { doing, stallMs, ...more });
      await this.#close(false);
    } catch (error) {
      if (error instanceof AppError && error.code === "host.unreachable")
        await followTask(this.#session, bulk.task, { doing, stallMs: WHY_MS, ...more });
      throw error;
    } finally {
      await this.#close(true);
    }
  }

  end(): Promise<void> {
    return this.#close(true);
  }

  async #close(cancel: boolean): Promise<void> {
    if (this.#bulk === null || this.#over) return;
    this.#over = true;
    this.#bulk.close();
    if (cancel) await cancelTask(this.#session, this.#bulk.task);
    await destroyTask(this.#session, this.#bulk.task);
  }
}

/** The response's bytes with a limit on silence. */
async function* flowing(
  bulk: BulkRequest,
  doing: string,
  stallMs: number,
  signal: AbortSignal | undefined,
): AsyncIterable<Buffer> {
  let late = false;
  let timer: NodeJS.Timeout | undefined;
  const watch = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      late = true;
      bulk.response.destroy();
    }, stallMs);
  };
  try {
    watch();
    for await (const bytes of bulk.response as AsyncIterable<Buffer>) {
      // Whoever reads takes as long as it likes: only the host's silence counts.
      clearTimeout(timer);
      yield bytes;
      watch();
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (late) {
      throw new AppError(
        "unavailable",
        "host.timeout",
        `${doing}: ${bulk.name} sent nothing for ${Math.round(stallMs / 1000)} s.`,
        { hint: "The storage repository may hang; look at it on that member.", cause: error },
      );
    }
    throw unreachable(bulk.name, error);
  } finally {
    clearTimeout(timer);
  }
}
