/** Hosts with what their inventory adds up to. */
import { and, asc, eq, inArray, isNull, sql } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { hosts, inventoryItems } from "#lib/db/schema.ts";
import type { HostFacts, Network, StoragePool } from "#lib/domain/inventory.ts";
import type { HostRow } from "./host-access.ts";

export interface HostSummary {
  readonly row: HostRow;
  readonly facts: HostFacts | null;
  readonly counts: { vms: number; running: number; pools: number; networks: number };
  /** Bytes over the pools that tell; null when none does. */
  readonly storage: { capacity: number | null; free: number | null };
}

/** All hosts by name, or the one asked for. */
export async function hostSummaries(db: Db, hostId?: string): Promise<HostSummary[]> {
  const rows = await db
    .select()
    .from(hosts)
    .where(and(isNull(hosts.removedAt), hostId === undefined ? undefined : eq(hosts.id, hostId)))
    .orderBy(asc(hosts.name));
  const mine = hostId === undefined ? undefined : eq(inventoryItems.hostId, hostId);
  const sums = await db
    .select({
      hostId: inventoryItems.hostId,
      kind: inventoryItems.kind,
      count: sql<number>`count(*)::int`,
      running: sql<number>`(count(*) filter (where ${inventoryItems.state} = 'running'))::int`,
    })
    .from(inventoryItems)
    .where(mine)
    .groupBy(inventoryItems.hostId, inventoryItems.kind);
  const few = await db
    .select({ hostId: inventoryItems.hostId, data: inventoryItems.data })
    .from(inventoryItems)
    .where(and(mine, inArray(inventoryItems.kind, ["host", "pool"])));

  return rows.map((row) => {
    const count = (kind: string) => sums.find((sum) => sum.hostId === row.id && sum.kind === kind);
    const items = few.filter((item) => item.hostId === row.id).map((item) => item.data);
    const pools = items.filter((item): item is StoragePool => item.kind === "pool");
    return {
      row,
      facts: items.find((item): item is HostFacts => item.kind === "host") ?? null,
      counts: {
        vms: count("vm")?.count ?? 0,
        running: count("vm")?.running ?? 0,
        pools: count("pool")?.count ?? 0,
        networks: count("network")?.count ?? 0,
      },
      storage: { capacity: total(pools.map((pool) => pool.capacity)), free: total(pools.map((pool) => pool.free)) },
    };
  });
}

function total(values: readonly (number | null)[]): number | null {
  const told = values.filter((value) => value !== null);
  return told.length === 0 ? null : told.reduce((sum, value) => sum + value, 0);
}

export interface OnHost<T> {
  readonly hostId: string;
  readonly hostName: string;
  readonly item: T;
}

/** Pools or networks by host and name. */
export async function listItems<K extends "pool" | "network">(
  db: Db,
  kind: K,
  hostId?: string,
): Promise<OnHost<K extends "pool" ? StoragePool : Network>[]> {
  const rows = await db
    .select({ hostId: hosts.id, hostName: hosts.name, item: inventoryItems.data })
    .from(inventoryItems)
    .innerJoin(hosts, eq(hosts.id, inventoryItems.hostId))
    .where(and(eq(inventoryItems.kind, kind), hostId === undefined ? undefined : eq(inventoryItems.hostId, hostId)))
    .orderBy(asc(hosts.name), asc(inventoryItems.name));
  // The kind column says which of the union's members a row holds.
  return rows as OnHost<K extends "pool" ? StoragePool : Network>[];
}
