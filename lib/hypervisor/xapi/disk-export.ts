/** A disk of the pool as it passes by: raw, from front to back. */
import type { DiskPiece, DiskStream } from "#lib/disk/disk-stream.ts";
import { dataParts } from "#lib/disk/zeros.ts";
import { AppError } from "#lib/errors.ts";
import { openBulk, type BulkRequest } from "./bulk.ts";
import { unreachable } from "./endpoint.ts";
import type { XapiSession } from "./session.ts";
import { cancelTask, destroyTask, followTask } from "./tasks.ts";

export interface ExportOptions {
  readonly vdi: string;
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

/** The request begins with the first piece; disposing ends it on the host too. */
export function rawExport(session: XapiSession, options: ExportOptions): DiskStream {
  let bulk: BulkRequest | null = null;
  let over = false;
  const { size, doing, stallMs, vdi } = options;

  const end = async (cancel: boolean): Promise<void> => {
    if (bulk === null || over) return;
    over = true;
    bulk.close();
    if (cancel) await cancelTask(session, bulk.task);
    await destroyTask(session, bulk.task);
  };

  async function* pieces(signal?: AbortSignal): AsyncIterable<DiskPiece> {
    const life = signal ?? options.signal;
    const more = life === undefined ? {} : { signal: life };
    bulk = await openBulk(session, {
      method: "GET",
      path: "/export_raw_vdi",
      query: { vdi, format: "raw" },
      length: null,
      doing,
      ...more,
    });
    let at = 0;
    let done = false;
    try {
      for await (const bytes of flowing(bulk, doing, stallMs, life)) {
        const wanted = at + bytes.length > size ? bytes.subarray(0, Math.max(0, size - at)) : bytes;
        for (const [start, stop] of dataParts(wanted, at, SHORTEST_GAP))
          yield { offset: at + start, bytes: wanted.subarray(start, stop) };
        at += bytes.length;
      }
      // The stream simply ends when the host fails; only the task says whether it was whole.
      await followTask(session, bulk.task, { doing, stallMs, ...more });
      if (at < size)
        throw new AppError("unavailable", "host.truncated", `${doing}: ${bulk.name} sent ${at} of ${size} bytes.`, {
          hint: "Try again; if it stays, look at the storage repository.",
        });
      done = true;
    } catch (error) {
      if (error instanceof AppError && error.code === "host.unreachable")
        await followTask(session, bulk.task, { doing, stallMs: WHY_MS, ...more });
      throw error;
    } finally {
      await end(!done);
    }
  }
  return { size, order: "forward", pieces, [Symbol.asyncDispose]: () => end(true) };
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
