/** A new disk's bytes on their way: as sparse records in any order (raw), or as a file of known length (VHD). */
import { once } from "node:events";
import type { ByteSink } from "#lib/disk/io.ts";
import { AppError } from "#lib/errors.ts";
import { openBulk, type BulkRequest } from "./bulk.ts";
import { unreachable } from "./endpoint.ts";
import type { XapiSession } from "./session.ts";
import { cancelTask, destroyTask, followTask } from "./tasks.ts";

/** {offset: u64, length: u32} before each piece, little-endian; twelve zero bytes end them. */
const RECORD_HEADER = 12;
const ZEROS = Buffer.alloc(1024 * 1024);
/** A cut connection: how long the task gets to say why. */
const WHY_MS = 10_000;

export interface ImportOptions {
  readonly vdi: string;
  readonly format: "raw" | "vhd";
  /** VHD: exact bytes of the file. */
  readonly fileLength: number | null;
  readonly doing: string;
  readonly stallMs: number;
  /** Turns a failure of the storage into what it means: a full repository says no more than “I/O error”. */
  readonly explain: (error: unknown) => Promise<unknown>;
  readonly signal?: AbortSignal;
}

export async function openImport(session: XapiSession, options: ImportOptions): Promise<ByteSink> {
  const { vdi, format, doing, signal } = options;
  const sparse = format === "raw";
  if (!sparse && options.fileLength === null)
    throw new AppError("internal", "host.protocol", `${doing}: a VHD goes to a XenServer only with its length known.`);
  const bulk = await openBulk(session, {
    method: "PUT",
    path: "/import_raw_vdi",
    query: { vdi, format, ...(sparse ? { chunked: "true" } : {}) },
    length: sparse ? null : options.fileLength,
    doing,
    ...(signal === undefined ? {} : { signal }),
  });
  const wire = new Wire(session, bulk, options);
  return sparse ? recordSink(wire) : fileSink(wire, options.fileLength ?? 0);
}

/** The request's body, with the task as the voice of the other side. */
class Wire {
  readonly #session: XapiSession;
  readonly #bulk: BulkRequest;
  readonly #options: ImportOptions;
  #broken: unknown = null;
  #over = false;

  constructor(session: XapiSession, bulk: BulkRequest, options: ImportOptions) {
    this.#session = session;
    this.#bulk = bulk;
    this.#options = options;
    // The head came already; what follows is only the end.
    bulk.response.resume();
    bulk.response.on("error", () => undefined);
    bulk.request.on("error", (error) => {
      this.#broken ??= error;
    });
    bulk.response.once("close", () => {
      if (!this.#over) this.#broken ??= new Error("the host closed the connection");
    });
  }

  async write(parts: readonly Uint8Array[], signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { request } = this.#bulk;
    if (this.#broken !== null) throw await this.#why(signal);
    request.cork();
    let flows = true;
    for (const part of parts) flows = request.write(part);
    request.uncork();
    if (flows) return;
    if (!(await this.#drained(signal))) {
      await this.stop();
      throw new AppError(
        "unavailable",
        "host.timeout",
        `${this.#options.doing}: ${this.#bulk.name} took no byte for ${Math.round(this.#options.stallMs / 1000)} s.`,
        { hint: "The storage repository may hang; look at it on that member." },
      );
    }
    if (this.#broken !== null) throw await this.#why(signal);
  }

  /** False: it stood still for too long. A request that ended in between counts as drained; the caller looks why. */
  async #drained(signal?: AbortSignal): Promise<boolean> {
    const { request } = this.#bulk;
    const done = new AbortController();
    const stall = AbortSignal.timeout(this.#options.stallMs);
    const limit = AbortSignal.any([done.signal, stall, ...(signal === undefined ? [] : [signal])]);
    try {
      // A request that closes emits no drain any more.
      const closed = once(request, "close", { signal: limit }).catch(() => undefined);
      await Promise.race([once(request, "drain", { signal: limit }), closed]);
    } catch {
      signal?.throwIfAborted();
      this.#options.signal?.throwIfAborted();
    } finally {
      done.abort();
    }
    return !stall.aborted;
  }

  /** Everything was written: whether it is there the task tells. */
  async finish(signal?: AbortSignal): Promise<void> {
    const { doing, stallMs } = this.#options;
    try {
      await followTask(this.#session, this.#bulk.task, { doing, stallMs, ...(signal === undefined ? {} : { signal }) });
    } catch (error) {
      throw await this.#options.explain(error);
    } finally {
      await this.#end();
    }
  }

  /** The reason why the connection broke, in the task's words if it has some. */
  async #why(signal?: AbortSignal): Promise<unknown> {
    signal?.throwIfAborted();
    this.#options.signal?.throwIfAborted();
    const cause = unreachable(this.#bulk.name, this.#broken);
    if (this.#over) return cause;
    const { doing } = this.#options;
    try {
      await followTask(this.#session, this.#bulk.task, {
        doing,
        stallMs: WHY_MS,
        ...(signal === undefined ? {} : { signal }),
      });
      return cause;
    } catch (error) {
      if (error instanceof AppError && error.code === "host.timeout") return cause;
      return await this.#options.explain(error);
    } finally {
      await this.#end();
    }
  }

  /** Given up: the host stops writing and forgets the task. */
  async stop(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    this.#bulk.close();
    await cancelTask(this.#session, this.#bulk.task);
    await destroyTask(this.#session, this.#bulk.task);
  }

  async #end(): Promise<void> {
    this.#over = true;
    this.#bulk.close();
    await destroyTask(this.#session, this.#bulk.task);
  }
}

function recordSink(wire: Wire): ByteSink {
  return {
    seekable: true,
    async write(offset, bytes, signal) {
      if (bytes.length === 0) return;
      const header = Buffer.alloc(RECORD_HEADER);
      header.writeBigUInt64LE(BigInt(offset));
      header.writeUInt32LE(bytes.length, 8);
      // The caller's buffer is used again as soon as this answers, but may wait in the socket: it is copied.
      await wire.write([header, Buffer.from(bytes)], signal);
    },
    async commit(_length, signal) {
      await wire.write([Buffer.alloc(RECORD_HEADER)], signal);
      await wire.finish(signal);
    },
    [Symbol.asyncDispose]: () => wire.stop(),
  };
}

function fileSink(wire: Wire, length: number): ByteSink {
  let at = 0;
  const fill = async (to: number, signal?: AbortSignal): Promise<void> => {
    if (to < at) throw new AppError("internal", "io.backwards", "A stream cannot go back.");
    while (at < to) {
      const zeros = ZEROS.subarray(0, Math.min(ZEROS.length, to - at));
      await wire.write([zeros], signal);
      at += zeros.length;
    }
  };
  return {
    seekable: false,
    async write(offset, bytes, signal) {
      await fill(offset, signal);
      await wire.write([Buffer.from(bytes)], signal);
      at += bytes.length;
    },
    async commit(total, signal) {
      if (total !== length)
        throw new AppError("internal", "host.protocol", `A file of ${length} bytes was announced, ${total} came.`);
      await fill(total, signal);
      await wire.finish(signal);
    },
    [Symbol.asyncDispose]: () => wire.stop(),
  };
}
