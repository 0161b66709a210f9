/** The rows of one host's inventory: only what changed is written. */
import { and, eq, inArray, sql } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { inventoryItems } from "#lib/db/schema.ts";
import type { InventoryItem, InventoryKind } from "#lib/domain/inventory.ts";
import { digestOf } from "./digest.ts";

/** Rows a statement: below the limit of bound parameters (65,535) with room. */
const BATCH = 500;

export interface RowChange {
  readonly kind: InventoryKind;
  readonly ref: string;
}

const keyOf = (kind: InventoryKind, ref: string) => `${kind}\n${ref}`;

/** Mirrors what the database holds of one host by digests, so that a full inventory of an unchanged host writes nothing. */
export class HostRows {
  readonly #db: Db;
  readonly #hostId: string;
  readonly #known: Map<string, string>;

  private constructor(db: Db, hostId: string, known: Map<string, string>) {
    this.#db = db;
    this.#hostId = hostId;
    this.#known = known;
  }

  static async load(db: Db, hostId: string): Promise<HostRows> {
    const rows = await db
      .select({ kind: inventoryItems.kind, ref: inventoryItems.ref, data: inventoryItems.data })
      .from(inventoryItems)
      .where(eq(inventoryItems.hostId, hostId));
    return new HostRows(db, hostId, new Map(rows.map((row) => [keyOf(row.kind, row.ref), digestOf(row.data)])));
  }

  /** Writes the items that differ from their rows. Answers what changed. */
  async put(items: readonly InventoryItem[]): Promise<RowChange[]> {
    // The last word on a thing counts; one statement must not touch a row twice.
    const latest = new Map(items.map((item) => [keyOf(item.kind, item.ref), item]));
    const changed: { key: string; digest: string; item: InventoryItem }[] = [];
    for (const [key, item] of latest) {
      const digest = digestOf(item);
      if (this.#known.get(key) !== digest) changed.push({ key, digest, item });
    }
    for (let from = 0; from < changed.length; from += BATCH) {
      const part = changed.slice(from, from + BATCH);
      await this.#db
        .insert(inventoryItems)
        .values(
          part.map(({ item }) => ({
            hostId: this.#hostId,
            kind: item.kind,
            ref: item.ref,
            name: item.name,
            state: item.kind === "vm" ? item.state : null,
            data: item,
          })),
        )
        .onConflictDoUpdate({
          target: [inventoryItems.hostId, inventoryItems.kind, inventoryItems.ref],
          set: {
            name: sql`excluded.name`,
            state: sql`excluded.state`,
            data: sql`excluded.data`,
            updatedAt: sql`now()`,
          },
        });
      for (const { key, digest } of part) this.#known.set(key, digest);
    }
    return changed.map(({ item }) => ({ kind: item.kind, ref: item.ref }));
  }

  async remove(gone: readonly RowChange[]): Promise<RowChange[]> {
    const real = gone.filter(({ kind, ref }) => this.#known.has(keyOf(kind, ref)));
    for (const kind of new Set(real.map((change) => change.kind))) {
      const refs = real.filter((change) => change.kind === kind).map((change) => change.ref);
      for (let from = 0; from < refs.length; from += BATCH) {
        await this.#db
          .delete(inventoryItems)
          .where(
            and(
              eq(inventoryItems.hostId, this.#hostId),
              eq(inventoryItems.kind, kind),
              inArray(inventoryItems.ref, refs.slice(from, from + BATCH)),
            ),
          );
      }
      for (const ref of refs) this.#known.delete(keyOf(kind, ref));
    }
    return real;
  }

  /** What the rows still name and a full inventory did not: it vanished while nobody looked. */
  vanished(seen: ReadonlySet<string>): RowChange[] {
    const gone: RowChange[] = [];
    for (const key of this.#known.keys()) {
      if (seen.has(key)) continue;
      const cut = key.indexOf("\n");
      gone.push({ kind: key.slice(0, cut) as InventoryKind, ref: key.slice(cut + 1) });
    }
    return gone;
  }

  /** Key of an item in the set that `vanished` takes. */
  static key(item: InventoryItem): string {
    return keyOf(item.kind, item.ref);
  }
}
