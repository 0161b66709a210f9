import { Plus } from "lucide-react";
import type { Metadata } from "next";
import type { ReactNode } from "react";
import { AddHostLink } from "#components/host/actions/AddHostLink.tsx";
import { HostTable } from "#components/host/HostTable.tsx";
import { PageHeader } from "#components/ui/PageHeader.tsx";

export const metadata: Metadata = { title: "Hosts" };

export default function HostsPage(): ReactNode {
  return (
    <div className="flex h-full flex-col gap-4 p-4">
      <PageHeader title="Hosts" actions={<AddHostLink icon={<Plus aria-hidden />} />} />
      <div className="min-h-0 grow overflow-hidden rounded-lg border">
        <HostTable />
      </div>
    </div>
  );
}
