/** The sessions of this process, for whoever needs a host now. */
import type { Db } from "#lib/db/client.ts";
import type { Vm } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import type { HypervisorAdapter } from "#lib/hypervisor/adapter.ts";
import { backoffMs, pause } from "./backoff.ts";
import { type HostServices, loadHostAccess, openAdapter } from "./host-access.ts";
import type { HostSession } from "./session.ts";

const OPEN_MS = 30_000;

/** One set per database; a worker process has none. */
const running = new WeakMap<Db, Map<string, HostSession>>();

export function registerSessions(db: Db, sessions: Map<string, HostSession>): void {
  running.set(db, sessions);
}

export function unregisterSessions(db: Db): void {
  running.delete(db);
}

/**
 * Runs `work` with an adapter of the host: the shared session where this process keeps the inventory, a short one
 * of its own elsewhere. The adapter is good until `work` settles, and no longer. `patienceMs`: how long a host that is
 * away is waited for. Throws `host.not-found`, `host.offline`, and what the adapter throws.
 */
export async function withHost<T>(
  services: HostServices,
  hostId: string,
  work: (adapter: HypervisorAdapter) => Promise<T>,
  signal?: AbortSignal,
  patienceMs = 0,
): Promise<T> {
  const session = running.get(services.db)?.get(hostId);
  if (session !== undefined) return session.use(work, signal, patienceMs);
  await using adapter = await openPatiently(services, hostId, signal, patienceMs);
  return await work(adapter);
}

async function openPatiently(
  services: HostServices,
  hostId: string,
  signal: AbortSignal | undefined,
  patienceMs: number,
): Promise<HypervisorAdapter> {
  const late = performance.now() + patienceMs;
  for (let failures = 0; ; failures += 1) {
    const access = await loadHostAccess(services, hostId);
    const timeout = AbortSignal.timeout(OPEN_MS);
    try {
      return await openAdapter(services, access, signal === undefined ? timeout : AbortSignal.any([signal, timeout]));
    } catch (error) {
      const wait = backoffMs(failures);
      const passing = error instanceof AppError && error.kind === "unavailable" && signal?.aborted !== true;
      if (!passing || performance.now() + wait > late) throw error;
      await pause(wait, signal ?? timeout);
    }
  }
}

/** Opens the host again and reads its whole inventory. False where this process keeps no session with it. */
export function refreshSession(db: Db, hostId: string): boolean {
  const session = running.get(db)?.get(hostId);
  session?.restart();
  return session !== undefined;
}

/** The host's session does not answer: it is closed, and opened again. */
export function dropSession(db: Db, hostId: string, error: AppError): void {
  running.get(db)?.get(hostId)?.drop(error);
}

/** Shows a VM that was just changed by us in its row; without a session the next inventory does it. */
export async function noteVm(db: Db, hostId: string, vm: Vm): Promise<void> {
  await running.get(db)?.get(hostId)?.noteVm(vm);
}
