/** What was opened, closed last to first; nothing that hangs keeps the process from ending. */
import type { Logger } from "pino";

export interface Closers {
  add(name: string, close: () => Promise<unknown>, limitMs?: number): void;
  closeAll(): Promise<void>;
}

const USUAL_MS = 3000;

export function openClosers(log: Logger): Closers {
  const opened: { name: string; close: () => Promise<unknown>; limitMs: number }[] = [];
  return {
    add(name, close, limitMs = USUAL_MS) {
      opened.push({ name, close, limitMs });
    },
    async closeAll() {
      for (const { name, close, limitMs } of opened.splice(0).reverse()) {
        const limit = Promise.withResolvers<void>();
        const timer = setTimeout(() => limit.reject(new Error(`not closed in ${limitMs} ms`)), limitMs);
        await Promise.race([close(), limit.promise]).catch((error: unknown) =>
          log.error({ err: error }, `closing ${name} failed`),
        );
        clearTimeout(timer);
      }
    },
  };
}

/** As `closeAll`, with a line in the log before and after. */
export async function closeInWords(closers: Closers, log: Pick<Logger, "info">): Promise<void> {
  log.info("stopping");
  await closers.closeAll();
  log.info("stopped");
}
