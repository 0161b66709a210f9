import type { Host, HostDetail } from "#lib/domain/host.ts";
import type { HostSummary } from "#lib/inventory/host-query.ts";

/** Named one by one: whatever the row gains, the box with the secret never leaves. */
export function presentHost({ row, facts, counts, storage }: HostSummary): Host {
  return {
    id: row.id,
    name: row.name,
    vendor: row.vendor,
    simulated: row.simulated,
    connection: row.connection,
    secrets: row.secretNames,
    state: row.state,
    error: row.error,
    staleSince: row.staleSince?.toISOString() ?? null,
    facts,
    capabilities: row.capabilities,
    counts,
    storage,
    createdAt: row.createdAt.toISOString(),
  };
}

export function presentHostDetail(detail: {
  summary: HostSummary;
  pools: HostDetail["pools"];
  networks: HostDetail["networks"];
}): HostDetail {
  return { ...presentHost(detail.summary), pools: detail.pools, networks: detail.networks };
}
