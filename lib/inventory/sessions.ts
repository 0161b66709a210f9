/** The sessions of this process, for whoever needs a host now. */
import type { Db } from "#lib/db/client.ts";
import type { Vm } from "#lib/domain/inventory.ts";
import type { HypervisorAdapter } from "#lib/hypervisor/adapter.ts";
import { type HostServices, loadHostAccess, openAdapter } from "./host-access.ts";
import type { HostSession } from "./session.ts";

/** One set a database; a worker process has none. */
const running = new WeakMap<Db, Map<string, HostSession>>();

export function registerSessions(db: Db, sessions: Map<string, HostSession>): void {
  running.set(db, sessions);
}

export function unregisterSessions(db: Db): void {
  running.delete(db);
}

/**
 * Runs `work` with an adapter of the host: the shared session where this process keeps the inventory, a short one
 * of its own elsewhere. The adapter is only good until `work` settles. Throws `host.not-found`, `host.offline`,
 * and what the adapter throws.
 */
export async function withHost<T>(
  services: HostServices,
  hostId: string,
  work: (adapter: HypervisorAdapter) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const session = running.get(services.db)?.get(hostId);
  if (session !== undefined) return work(await session.adapter());
  const access = await loadHostAccess(services, hostId);
  const timeout = AbortSignal.timeout(30_000);
  const stop = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  await using adapter = await openAdapter(services, access, stop);
  return await work(adapter);
}

/** Reads the host's whole inventory anew. False where this process keeps no session with it. */
export function refreshSession(db: Db, hostId: string): boolean {
  const session = running.get(db)?.get(hostId);
  session?.restart();
  return session !== undefined;
}

/** Tells the rows of a VM that was just changed by us; without a session the next inventory does it. */
export async function noteVm(db: Db, hostId: string, vm: Vm): Promise<void> {
  await running.get(db)?.get(hostId)?.noteVm(vm);
}
