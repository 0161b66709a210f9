/** Hosts, as jobs use them. */
import { withHost } from "#lib/inventory/sessions.ts";
import type { HypervisorAdapter } from "#lib/hypervisor/adapter.ts";
import type { JobIO } from "#lib/jobs/runner.ts";
import { bounded } from "./bounded.ts";

/** A session that is being opened, or opened again, is there within this time: shorter than beginning the work again. */
const PATIENCE_MS = 10_000;

/** One wait on a host for a job. `doing` is what a person reads when it takes longer than `ms`. Throws what `withHost` throws, `host.timeout`. */
export function onHost<T>(
  io: Pick<JobIO, "services" | "signal">,
  hostId: string,
  ms: number,
  doing: string,
  work: (adapter: HypervisorAdapter, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return bounded(io.signal, ms, doing, (signal) =>
    withHost(io.services, hostId, (adapter) => work(adapter, signal), signal, Math.min(ms, PATIENCE_MS)),
  );
}
