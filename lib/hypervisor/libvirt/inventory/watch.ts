/** Changes of a host behind libvirt: its events, and from time to time a look at everything that has none. */
import type { InventoryChange, InventoryItem, Vm } from "#lib/domain/inventory.ts";
import type { AppError } from "#lib/errors.ts";
import type { LibvirtClient, LibvirtEvent } from "../client.ts";
import { asAppError } from "../libvirt-error.ts";
import type { DomainRef } from "../types.ts";
import { Told } from "../../told.ts";

/** Free space, snapshots and memory change without an event. */
const RELIST_MS = 30_000;

/** How the things of an event are read. */
export interface WatchedHost {
  inventory(signal?: AbortSignal): AsyncIterable<InventoryItem>;
  readVm(domain: DomainRef, signal?: AbortSignal): Promise<Vm | null>;
  /** The pool or network of that name; null when it is gone. */
  readNamed(kind: "pool" | "network", name: string, signal?: AbortSignal): Promise<InventoryItem | null>;
}

export class LibvirtWatch {
  readonly #client: LibvirtClient;
  /** Everything since the session opened that no watch has taken yet. */
  readonly #events: LibvirtEvent[] = [];
  #wake: () => void = () => undefined;

  constructor(client: LibvirtClient) {
    this.#client = client;
  }

  async listen(signal?: AbortSignal): Promise<void> {
    await this.#client.subscribe((event) => {
      this.#events.push(event);
      // Without a watch only what is newest counts: it begins with a full set.
      if (this.#events.length > 10_000) this.#events.splice(0, 5000);
      this.#wake();
    }, signal);
  }

  async *changes(host: WatchedHost, signal: AbortSignal): AsyncIterable<InventoryChange> {
    let lost: AppError | null = null;
    const off = this.#client.onClosed((error) => {
      lost = error;
      this.#wake();
    });
    const known = new Told();
    const told = (item: InventoryItem | null, kind: InventoryItem["kind"], ref: string): Iterable<InventoryChange> =>
      item === null ? known.gone(kind, ref) : known.put(item);
    try {
      let relistAt = 0;
      while (!signal.aborted) {
        if (lost !== null) throw lost as AppError;
        if (Date.now() >= relistAt) {
          this.#events.length = 0;
          yield* known.refresh(host.inventory(signal));
          relistAt = Date.now() + RELIST_MS;
        }
        const event = this.#events.shift();
        if (event === undefined) await this.#nextEvent(relistAt - Date.now(), signal);
        else if (event.type === "domain") yield* told(await host.readVm(event.domain, signal), "vm", event.domain.uuid);
        else {
          const { name } = event.type === "pool" ? event.pool : event.network;
          yield* told(await host.readNamed(event.type, name, signal), event.type, name);
        }
      }
    } catch (error) {
      if (!signal.aborted) throw asAppError(error, "Following the host's changes");
    } finally {
      off();
    }
  }

  #nextEvent(timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        this.#wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, Math.max(0, timeoutMs));
      signal.addEventListener("abort", done, { once: true });
      this.#wake = done;
      if (this.#events.length > 0) done();
    });
  }
}
