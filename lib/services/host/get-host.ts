import type { Network, StoragePool } from "#lib/domain/inventory.ts";
import { hostNotFound } from "#lib/inventory/host-access.ts";
import { type HostSummary, hostSummaries, listItems } from "#lib/inventory/host-query.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";

export interface HostWithItems {
  readonly summary: HostSummary;
  readonly pools: StoragePool[];
  readonly networks: Network[];
}

/** Throws `host.not-found`. */
export async function getHost(ctx: Ctx, id: string): Promise<HostWithItems> {
  await authorise(ctx, "host.read");
  const [summary] = await hostSummaries(ctx.db, id);
  if (summary === undefined) throw hostNotFound();
  const pools = await listItems(ctx.db, "pool", id);
  const networks = await listItems(ctx.db, "network", id);
  return { summary, pools: pools.map(({ item }) => item), networks: networks.map(({ item }) => item) };
}
