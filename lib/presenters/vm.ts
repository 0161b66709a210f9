import type { VmRow } from "#lib/domain/host.ts";
import type { VmFound } from "#lib/inventory/vm-query.ts";

export function presentVm({ host, vm }: VmFound): VmRow {
  return {
    ...vm,
    hostId: host.id,
    hostName: host.name,
    vendor: host.vendor,
    simulated: host.simulated,
    staleSince: host.staleSince?.toISOString() ?? null,
  };
}
