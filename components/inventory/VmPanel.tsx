"use client";
import { useQuery } from "@tanstack/react-query";
import { ExternalLink, X } from "lucide-react";
import Link from "next/link";
import type { ReactNode } from "react";
import { StaleBanner } from "#components/host/StaleBanner.tsx";
import { Bytes } from "#components/ui/Bytes.tsx";
import { Button } from "#components/ui/Button.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { IconButton } from "#components/ui/IconButton.tsx";
import { DeployVmButton } from "#components/vm/actions/DeployVmButton.tsx";
import { VmPowerBar } from "#components/vm/actions/VmPowerBar.tsx";
import { VmFacts } from "#components/vm/VmFacts.tsx";
import { vmPath } from "#components/vm/vm-path.ts";
import { DISK_BUS_LABEL } from "#lib/domain/hardware.ts";
import type { VmRow } from "#lib/domain/host.ts";
import { vmQueries } from "#lib/http/queries/vm.ts";

/** Details beside the table; over it where there is no room. */
export function VmPanel({ hostId, vmRef, onClose }: { hostId: string; vmRef: string; onClose: () => void }): ReactNode {
  const vm = useQuery(vmQueries.detail(hostId, vmRef));
  return (
    <aside
      aria-label="Details"
      className="absolute inset-0 z-20 flex flex-col border-l bg-surface sm:left-auto sm:w-96 xl:static xl:shrink-0"
    >
      <header className="flex items-center gap-2 border-b px-4 py-2">
        <h2 className="min-w-0 grow truncate text-base font-semibold">{vm.data?.name ?? "Virtual machine"}</h2>
        <Button asChild size="sm">
          <Link href={vmPath({ hostId, ref: vmRef })}>
            <ExternalLink aria-hidden /> Open
          </Link>
        </Button>
        <IconButton label="Close the details" size="sm" onClick={onClose}>
          <X aria-hidden />
        </IconButton>
      </header>
      <div className="min-h-0 grow space-y-4 overflow-y-auto p-4" tabIndex={0} role="group" aria-label="Facts">
        {vm.error ? <ErrorNotice error={vm.error} onRetry={() => void vm.refetch()} /> : null}
        {vm.isPending ? <p className="text-ink-2">Reading the virtual machine…</p> : null}
        {vm.data ? <Details vm={vm.data} /> : null}
      </div>
    </aside>
  );
}

function Details({ vm }: { vm: VmRow }): ReactNode {
  return (
    <>
      {vm.staleSince ? <StaleBanner since={vm.staleSince} hostName={vm.hostName} /> : null}
      <VmPowerBar vm={vm} />
      <DeployVmButton vm={vm} />
      <VmFacts vm={vm} />
      {vm.disks.length > 0 ? (
        <section>
          <h3 className="mb-1 font-semibold">Disks</h3>
          <ul>
            {vm.disks.map((disk) => (
              <li key={disk.id} className="flex justify-between gap-3 border-b py-1 last:border-b-0">
                <span className="min-w-0 truncate">
                  {disk.label}
                  {disk.bus ? <span className="text-ink-3"> {DISK_BUS_LABEL[disk.bus]}</span> : null}
                </span>
                <Bytes value={disk.capacity} />
              </li>
            ))}
          </ul>
        </section>
      ) : null}
      {vm.nics.length > 0 ? (
        <section>
          <h3 className="mb-1 font-semibold">Network cards</h3>
          <ul>
            {vm.nics.map((nic) => (
              <li key={nic.id} className="flex justify-between gap-3 border-b py-1 last:border-b-0">
                <span className="min-w-0 truncate">{nic.networkName ?? nic.networkRef ?? "not connected"}</span>
                <code className="text-xs">{nic.mac ?? "–"}</code>
              </li>
            ))}
          </ul>
        </section>
      ) : null}
    </>
  );
}
