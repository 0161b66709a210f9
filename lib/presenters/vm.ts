import { cleanName } from "#lib/domain/plain-name.ts";
import type { VmRow } from "#lib/domain/host.ts";
import type { VmFound } from "#lib/inventory/vm-query.ts";

export function presentVm({ host, vm }: VmFound): VmRow {
  return {
    ...vm,
    // Its host may call it anything.
    name: cleanName(vm.name, vm.ref),
    hostId: host.id,
    hostName: host.name,
    vendor: host.vendor,
    simulated: host.simulated,
    staleSince: host.staleSince?.toISOString() ?? null,
  };
}
