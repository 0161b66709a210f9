import type { Network, StoragePool } from "#lib/domain/inventory.ts";
import { type HostSummary, hostSummaries, listItems, type OnHost } from "#lib/inventory/host-query.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";

export async function listHosts(ctx: Ctx): Promise<HostSummary[]> {
  await authorise(ctx, "host.read");
  return hostSummaries(ctx.db);
}

export async function listPools(ctx: Ctx, hostId?: string): Promise<OnHost<StoragePool>[]> {
  await authorise(ctx, "host.read");
  return listItems(ctx.db, "pool", hostId);
}

export async function listNetworks(ctx: Ctx, hostId?: string): Promise<OnHost<Network>[]> {
  await authorise(ctx, "host.read");
  return listItems(ctx.db, "network", hostId);
}
