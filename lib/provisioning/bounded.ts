import { AppError } from "#lib/errors.ts";

/** One wait on a host: ends when the job is cancelled or after `ms`, then as `host.timeout` that says what was waited for. */
export async function bounded<T>(
  signal: AbortSignal,
  ms: number,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeout = AbortSignal.timeout(ms);
  try {
    return await work(AbortSignal.any([signal, timeout]));
  } catch (error) {
    if (timeout.aborted && !signal.aborted) {
      throw new AppError("unavailable", "host.timeout", `${what} took longer than ${Math.round(ms / 1000)} seconds.`, {
        hint: "Look at the host, then ask again.",
        cause: error,
      });
    }
    throw error;
  }
}
