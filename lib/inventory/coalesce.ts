/** Many small changes become one event: a page that refetches for each of a thousand VMs is no use. */
import type { EventBus } from "#lib/events/bus.ts";
import type { RowChange } from "./host-rows.ts";

const EVERY_MS = 80;
/** More names than this say less than "look again": the page refetches by kind. */
const MAX_REFS = 100;

export class InventoryEvents {
  readonly #events: EventBus;
  readonly #hostId: string;
  #kinds = new Set<string>();
  #refs = new Set<string>();
  #timer: NodeJS.Timeout | null = null;

  constructor(events: EventBus, hostId: string) {
    this.#events = events;
    this.#hostId = hostId;
  }

  add(changes: readonly RowChange[]): void {
    if (changes.length === 0) return;
    for (const { kind, ref } of changes) {
      this.#kinds.add(kind);
      if (this.#refs.size <= MAX_REFS) this.#refs.add(ref);
    }
    this.#timer ??= setTimeout(() => this.flush(), EVERY_MS);
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#kinds.size === 0) return;
    const refs = this.#refs.size > MAX_REFS ? [] : [...this.#refs];
    this.#events.publish({ type: "inventory", hostId: this.#hostId, kinds: [...this.#kinds], refs });
    this.#kinds = new Set();
    this.#refs = new Set();
  }
}
