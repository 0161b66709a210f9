"use client";
import { useQueryClient } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import type { ReactNode } from "react";
import { useMay } from "#components/session/session-context.ts";
import { Card } from "#components/ui/Card.tsx";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { PageHeader } from "#components/ui/PageHeader.tsx";
import { toastDone } from "#components/ui/Toaster.tsx";
import { Host } from "#lib/domain/host.ts";
import { api } from "#lib/http/client.ts";
import { hostQueries } from "#lib/http/queries/host.ts";
import { overviewQueries } from "#lib/http/queries/overview.ts";
import { AddDemoHostsButton } from "./actions/AddDemoHostsButton.tsx";
import { emptyFields } from "./forms/registry.ts";
import { HostForm } from "./HostForm.tsx";

export function AddHostView({ socket }: { socket: string | null }): ReactNode {
  const router = useRouter();
  const client = useQueryClient();
  const mayAdd = useMay("host.add");
  if (!mayAdd)
    return (
      <EmptyState title="Only administrators add hosts">Ask one of them to connect the host that you need.</EmptyState>
    );
  return (
    <div className="max-w-3xl space-y-4 p-4">
      <PageHeader title="Add a host" subtitle="A hypervisor to see, to fill and to start virtual machines on." />
      <Card>
        <HostForm
          initial={socket ? { ...emptyFields("kvm", "Local KVM"), socket } : emptyFields("kvm")}
          isNew
          stored={[]}
          submit="Add host"
          submitting="Adding the host…"
          onCancel={() => router.push("/hosts")}
          onSave={async (host) => {
            const added = await api.post("/hosts", Host, host);
            toastDone(`${added.name} was added.`);
            router.push(`/hosts/${added.id}`);
            await Promise.all(
              [hostQueries.all, overviewQueries.all].map((queryKey) => client.invalidateQueries({ queryKey })),
            );
          }}
        />
      </Card>
      <Card title="No host at hand?">
        <div className="space-y-3">
          <p className="text-ink-2">
            Five simulated hosts, one a vendor, take real bytes and write real disk files on this server.
          </p>
          <AddDemoHostsButton />
        </div>
      </Card>
    </div>
  );
}
