import { AppError } from "#lib/errors.ts";

/** Ends work with a host after `ms`, then as `host.timeout`. */
export async function within<T>(
  ms: number,
  name: string,
  signal: AbortSignal,
  work: (stop: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeout = AbortSignal.timeout(ms);
  try {
    return await work(AbortSignal.any([signal, timeout]));
  } catch (error) {
    if (!timeout.aborted || signal.aborted) throw error;
    throw new AppError("unavailable", "host.timeout", `${name} did not answer within ${Math.round(ms / 1000)} s.`, {
      hint: "Check that the host is up and not overloaded.",
      cause: error,
    });
  }
}
