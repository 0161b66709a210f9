"use client";
import { useRouter } from "next/navigation";
import type { ReactNode } from "react";
import { useVmSort } from "#components/vm/useVmSort.ts";
import { useVms } from "#components/vm/useVms.ts";
import { vmPath } from "#components/vm/vm-path.ts";
import { VmTable } from "#components/vm/VmTable.tsx";

export function HostVms({ hostId }: { hostId: string }): ReactNode {
  const router = useRouter();
  const { sort, order, current, setSort } = useVmSort();
  const vms = useVms({ host: hostId, sort, order });
  return (
    <div className="h-[60dvh] overflow-hidden rounded-lg border">
      <VmTable vms={vms} sort={current} onSort={setSort} onOpen={(vm) => router.push(vmPath(vm))} withHost={false} />
    </div>
  );
}
