/** One host, one session for as long as the server runs: full inventory, then changes, and again after a loss. */
import { eq } from "drizzle-orm";
import { hosts } from "#lib/db/schema.ts";
import type { InventoryChange, InventoryItem, Vm } from "#lib/domain/inventory.ts";
import { AppError, errorToJson } from "#lib/errors.ts";
import type { HypervisorAdapter } from "#lib/hypervisor/adapter.ts";
import type { Services } from "#lib/services/context.ts";
import { backoffMs, pause } from "./backoff.ts";
import { InventoryEvents } from "./coalesce.ts";
import { accessDigest, hostNotFound, loadHostAccess, openAdapter } from "./host-access.ts";
import { HostRows, type RowChange } from "./host-rows.ts";

const OPEN_TIMEOUT_MS = 30_000;
/** Large estates take their time, a dead peer does not get longer. */
const INVENTORY_TIMEOUT_MS = 180_000;
/** A caller waits this long for a session that is just being opened. */
const READY_TIMEOUT_MS = 10_000;
/** Changes that come together are written together. */
const GATHER_MS = 20;
const MOST_GATHERED = 500;

export class HostSession {
  readonly hostId: string;
  readonly #services: Services;
  readonly #stop = new AbortController();
  /** Cuts a back-off or a running session short; renewed every round. */
  #round = new AbortController();
  #adapter: HypervisorAdapter | null = null;
  #rows: HostRows | null = null;
  #error: unknown = null;
  #waiting: (() => void)[] = [];
  /** Row writes one after the other: a put of the watch and one of a power action must not cross. */
  #writes: Promise<unknown> = Promise.resolve();
  readonly #events: InventoryEvents;
  readonly done: Promise<void>;
  digest = "";

  constructor(services: Services, hostId: string) {
    this.#services = services;
    this.hostId = hostId;
    this.#events = new InventoryEvents(services.events, hostId);
    this.done = this.#run();
  }

  /** The live adapter. Throws `host.offline` with the reason while there is none. */
  async adapter(): Promise<HypervisorAdapter> {
    if (this.#adapter === null && this.#error === null) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, READY_TIMEOUT_MS);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    if (this.#adapter !== null) return this.#adapter;
    const why = this.#error instanceof AppError ? this.#error.message : "It does not answer.";
    throw new AppError("unavailable", "host.offline", `The host is offline. ${why}`, {
      hint: "Supravisor keeps trying; the host's page shows when it is back.",
    });
  }

  /** Opens the session anew at once: connection changed, or a person asked. */
  restart(): void {
    this.#round.abort();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#round.abort();
    await this.done;
  }

  /** Writes what a caller just learned of a VM, so that the page need not wait for the host's own event. */
  async noteVm(vm: Vm): Promise<void> {
    await this.#write(async (rows) => this.#events.add(await rows.put([vm])));
  }

  #write(work: (rows: HostRows) => Promise<void>): Promise<void> {
    const next = this.#writes.then(async () => {
      if (this.#rows !== null) await work(this.#rows);
    });
    this.#writes = next.catch(() => undefined);
    return next;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      this.#round = new AbortController();
      const signal = AbortSignal.any([this.#stop.signal, this.#round.signal]);
      let wasOnline = false;
      try {
        await this.#hold(signal, () => {
          wasOnline = true;
          failures = 0;
        });
      } catch (error) {
        if (this.#stop.signal.aborted) break;
        if (error instanceof AppError && error.code === hostNotFound().code) break;
        // A restart that somebody asked for is no failure of the host.
        if (!this.#round.signal.aborted) {
          await this.#lost(error).catch((cause: unknown) =>
            this.#services.log.error({ err: cause, hostId: this.hostId }, "the state of a host could not be stored"),
          );
          await pause(backoffMs(failures), signal);
          failures = wasOnline ? 0 : failures + 1;
        }
      }
    }
    this.#wake();
    this.#events.flush();
  }

  async #hold(signal: AbortSignal, online: () => void): Promise<void> {
    const access = await loadHostAccess(this.#services, this.hostId);
    this.digest = accessDigest(access.row);
    const adapter = await within(OPEN_TIMEOUT_MS, access.row.name, signal, (stop) =>
      openAdapter(this.#services, access, stop),
    );
    try {
      await this.#writes;
      this.#rows = await HostRows.load(this.#services.db, this.hostId);
      await within(INVENTORY_TIMEOUT_MS, access.row.name, signal, (stop) => this.#readAll(adapter, stop));
      await this.#isOnline(adapter);
      this.#adapter = adapter;
      this.#error = null;
      this.#wake();
      online();
      await this.#follow(adapter, signal);
      signal.throwIfAborted();
      throw new AppError("unavailable", "host.session-ended", `${access.row.name} ended the session.`);
    } finally {
      this.#adapter = null;
      try {
        await adapter[Symbol.asyncDispose]();
      } catch (error) {
        this.#services.log.debug({ err: error, hostId: this.hostId }, "closing a session failed");
      }
    }
  }

  async #readAll(adapter: HypervisorAdapter, signal: AbortSignal): Promise<void> {
    const seen = new Set<string>();
    let batch: InventoryItem[] = [];
    const flush = async () => {
      const items = batch;
      batch = [];
      await this.#write(async (rows) => this.#events.add(await rows.put(items)));
    };
    for await (const item of adapter.inventory(signal)) {
      seen.add(HostRows.key(item));
      batch.push(item);
      if (batch.length >= MOST_GATHERED) await flush();
    }
    await flush();
    await this.#write(async (rows) => this.#events.add(await rows.remove(rows.vanished(seen))));
  }

  async #follow(adapter: HypervisorAdapter, signal: AbortSignal): Promise<void> {
    let pending: InventoryChange[] = [];
    let timer: NodeJS.Timeout | null = null;
    let failed: unknown = null;
    const inner = new AbortController();
    const flush = async () => {
      timer = null;
      const changes = pending;
      pending = [];
      await this.#write(async (rows) => this.#events.add(await applyChanges(rows, changes)));
    };
    const start = () =>
      setTimeout(() => {
        flush().catch((error: unknown) => {
          failed = error;
          inner.abort();
        });
      }, GATHER_MS);
    try {
      for await (const change of adapter.watch(AbortSignal.any([signal, inner.signal]))) {
        pending.push(change);
        if (pending.length >= MOST_GATHERED) {
          if (timer !== null) clearTimeout(timer);
          await flush();
        } else timer ??= start();
      }
    } finally {
      if (timer !== null) clearTimeout(timer);
      if (failed === null) await flush();
    }
    if (failed !== null) throw failed;
  }

  async #isOnline(adapter: HypervisorAdapter): Promise<void> {
    await this.#services.db
      .update(hosts)
      .set({
        state: "online",
        error: null,
        staleSince: null,
        capabilities: adapter.capabilities,
        updatedAt: new Date(),
      })
      .where(eq(hosts.id, this.hostId));
    this.#services.events.publish({ type: "host", id: this.hostId });
  }

  async #lost(error: unknown): Promise<void> {
    this.#error = error;
    this.#wake();
    const json = errorToJson(error);
    if (json.kind === "internal") this.#services.log.error({ err: error, hostId: this.hostId }, "host session failed");
    const [row] = await this.#services.db.select().from(hosts).where(eq(hosts.id, this.hostId));
    if (row === undefined) return;
    const same = row.state === "offline" && row.error?.code === json.code && row.error.message === json.message;
    if (same) return;
    await this.#services.db
      .update(hosts)
      // The rows stay: an inventory of yesterday, said to be so, is better than none.
      .set({ state: "offline", error: json, staleSince: row.staleSince ?? new Date(), updatedAt: new Date() })
      .where(eq(hosts.id, this.hostId));
    this.#services.events.publish({ type: "host", id: this.hostId });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }
}

/** Only the last change of a thing is written. */
async function applyChanges(rows: HostRows, changes: readonly InventoryChange[]): Promise<RowChange[]> {
  const last = new Map<string, InventoryChange>();
  for (const change of changes) {
    const { kind, ref } = change.type === "put" ? change.item : change;
    last.set(`${kind}\n${ref}`, change);
  }
  const puts: InventoryItem[] = [];
  const gone: RowChange[] = [];
  for (const change of last.values()) {
    if (change.type === "put") puts.push(change.item);
    else gone.push({ kind: change.kind, ref: change.ref });
  }
  return [...(await rows.put(puts)), ...(await rows.remove(gone))];
}

async function within<T>(
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
