/** Keeps the rows of one host as the host is: everything once, then what changes. */
import type { InventoryChange, InventoryItem, Vm } from "#lib/domain/inventory.ts";
import type { HypervisorAdapter } from "#lib/hypervisor/adapter.ts";
import { patiently } from "#lib/jobs/patience.ts";
import type { Services } from "#lib/services/context.ts";
import { InventoryEvents } from "./coalesce.ts";
import { HostRows, type RowChange } from "./host-rows.ts";
import { within } from "./within.ts";

/** Large estates take their time, a dead peer does not get longer. */
const INVENTORY_TIMEOUT_MS = 180_000;
/** Changes that come together are written together. */
const GATHER_MS = 20;
const MOST_GATHERED = 500;

export class InventoryPump {
  readonly #services: Services;
  readonly #hostId: string;
  readonly #events: InventoryEvents;
  readonly #stop: AbortSignal;
  #rows: HostRows | null = null;
  /** While everything is read: what somebody else has told of meanwhile, and the reading may have passed already. */
  #noted: Set<string> | null = null;
  /** Row writes one after the other: a put of the watch and one of a power action must not cross. */
  #writes: Promise<unknown> = Promise.resolve();

  constructor(services: Services, hostId: string, stop: AbortSignal) {
    this.#services = services;
    this.#hostId = hostId;
    this.#events = new InventoryEvents(services.events, hostId);
    this.#stop = stop;
  }

  /** Returns when the signal aborts or the host ends the watch. Throws what the adapter throws, `host.timeout`. */
  async run(adapter: HypervisorAdapter, name: string, signal: AbortSignal, onRead: () => Promise<void>): Promise<void> {
    await this.#writes;
    this.#rows = await patiently(() => HostRows.load(this.#services.db, this.#hostId), { ms: Infinity, signal });
    await within(INVENTORY_TIMEOUT_MS, name, signal, (stop) => this.#readAll(adapter, stop));
    await onRead();
    await this.#follow(adapter, signal);
  }

  /** Writes what a caller just learned of a VM, so that the page need not wait for the host's own event. */
  async noteVm(vm: Vm): Promise<void> {
    this.#noted?.add(HostRows.key(vm));
    await this.#write(async (rows) => this.#events.add(await rows.put([vm])));
  }

  flush(): void {
    this.#events.flush();
  }

  /** A database that is away is no failure of the host: what the host has said is written when it is back. */
  #write(work: (rows: HostRows) => Promise<void>): Promise<void> {
    const next = this.#writes.then(async () => {
      const rows = this.#rows;
      if (rows !== null) await patiently(() => work(rows), { ms: Infinity, signal: this.#stop });
    });
    this.#writes = next.catch(() => undefined);
    return next;
  }

  async #readAll(adapter: HypervisorAdapter, signal: AbortSignal): Promise<void> {
    const seen = new Set<string>();
    this.#noted = seen;
    let batch: InventoryItem[] = [];
    const flush = async () => {
      const items = batch;
      batch = [];
      await this.#write(async (rows) => this.#events.add(await rows.put(items)));
    };
    try {
      for await (const item of adapter.inventory(signal)) {
        seen.add(HostRows.key(item));
        batch.push(item);
        if (batch.length >= MOST_GATHERED) await flush();
      }
      await flush();
      await this.#write(async (rows) => this.#events.add(await rows.remove(rows.vanished(seen))));
    } finally {
      this.#noted = null;
    }
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
