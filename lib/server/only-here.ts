/** What runs in one console per database: it stops here when another console has taken this one's place. */
import type { Logger } from "pino";

interface Closable {
  close(): Promise<void>;
}

export interface OnlyHere {
  /** Answers with a function that closes it, once however often it is called. */
  close(name: string, part: Closable): () => Promise<void>;
  displaced(holder: string): void;
}

export function onlyHere(log: Pick<Logger, "error">): OnlyHere {
  const parts = new Map<string, () => Promise<void>>();
  let stopped = false;
  const stop = (name: string, close: () => Promise<void>): void =>
    void close().catch((error: unknown) => log.error({ err: error }, `stopping ${name} failed`));
  return {
    close(name, part) {
      let closing: Promise<void> | null = null;
      const close = (): Promise<void> => (closing ??= part.close());
      parts.set(name, close);
      if (stopped) stop(name, close);
      return close;
    },
    displaced(holder) {
      stopped = true;
      log.error(
        `host sessions and sweeps stop here, because another console has taken over: ${holder}. Restart this one once that has ended`,
      );
      for (const [name, close] of parts) stop(name, close);
    },
  };
}
