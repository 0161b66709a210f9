/** What a bulk handler of the pool sends, with the task that alone knows whether it was all. */
import { AppError } from "#lib/errors.ts";
import { openBulk, type BulkRequest } from "./bulk.ts";
import { unreachable } from "./endpoint.ts";
import type { XapiSession } from "./session.ts";
import { cancelTask, destroyTask, followTask } from "./tasks.ts";

interface BodyOptions {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** For messages: `Reading web01`. */
  readonly doing: string;
  /** Silence for so long counts as stuck. */
  readonly stallMs: number;
  readonly signal?: AbortSignal;
}

/** A cut connection: how long the task gets to say why. */
const WHY_MS = 5000;

/** The body of one export, to be read once. It is whole only when the task says so. */
export class ExportedBytes {
  readonly #session: XapiSession;
  readonly #options: BodyOptions;
  #bulk: BulkRequest | null = null;
  #over = false;

  constructor(session: XapiSession, options: BodyOptions) {
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
    const { path, query, doing, stallMs } = this.#options;
    const signal = given ?? this.#options.signal;
    const more = signal === undefined ? {} : { signal };
    const bulk = await openBulk(this.#session, {
      method: "GET",
      path,
      query,
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
