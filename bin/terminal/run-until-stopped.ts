import { onInterrupt, onLauncherGone } from "./interrupt.ts";

/** A start or an end that hangs must not keep a process that nobody wants any more. */
const MOST_MS = 30_000;

/**
 * Runs what `open` opens until a signal or the launcher's end asks it to stop, also while it is still opening. Ends the
 * process: 0 after a clean end. Throws what `open` throws when nobody asked to stop.
 */
export async function runUntilStopped(
  open: (stopped: AbortSignal) => Promise<{ close(): Promise<void> }>,
): Promise<void> {
  let running: { close(): Promise<void> } | null = null;
  const stopping = new AbortController();
  const end = (): void => {
    setTimeout(() => process.exit(1), MOST_MS).unref();
    running?.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  const stop = (): void => {
    if (stopping.signal.aborted) return;
    stopping.abort();
    if (running !== null) end();
    // What is being opened is closed as soon as it is open, or when opening it failed.
    else setTimeout(() => process.exit(1), MOST_MS).unref();
  };
  onInterrupt(stop);
  onLauncherGone(stop);
  try {
    running = await open(stopping.signal);
  } catch (error) {
    if (stopping.signal.aborted) process.exit(0);
    throw error;
  }
  if (stopping.signal.aborted) end();
}
