/** What a watch has told so far: only what differs from it is a change. */
import type { InventoryChange, InventoryItem, InventoryKind } from "#lib/domain/inventory.ts";

const keyOf = (kind: InventoryKind, ref: string): string => `${kind}\0${ref}`;

export class Told {
  readonly #known = new Map<string, string>();

  *put(item: InventoryItem): Iterable<InventoryChange> {
    const key = keyOf(item.kind, item.ref);
    const text = JSON.stringify(item);
    if (this.#known.get(key) === text) return;
    this.#known.set(key, text);
    yield { type: "put", item };
  }

  *gone(kind: InventoryKind, ref: string): Iterable<InventoryChange> {
    if (this.#known.delete(keyOf(kind, ref))) yield { type: "gone", kind, ref };
  }

  /** The full set as it is now; `kind`: of this kind only, others stay. */
  *replace(items: readonly InventoryItem[], kind?: InventoryKind): Iterable<InventoryChange> {
    for (const item of items) yield* this.put(item);
    yield* this.#without(new Set(items.map((item) => keyOf(item.kind, item.ref))), kind);
  }

  /** The full set, told as it comes. */
  async *refresh(items: AsyncIterable<InventoryItem>): AsyncIterable<InventoryChange> {
    const seen = new Set<string>();
    for await (const item of items) {
      seen.add(keyOf(item.kind, item.ref));
      yield* this.put(item);
    }
    yield* this.#without(seen);
  }

  *#without(seen: ReadonlySet<string>, only?: InventoryKind): Iterable<InventoryChange> {
    for (const key of [...this.#known.keys()].filter((each) => !seen.has(each))) {
      const [kind, ref] = key.split("\0") as [InventoryKind, string];
      if (only === undefined || only === kind) yield* this.gone(kind, ref);
    }
  }
}
