"use client";
import { useQuery } from "@tanstack/react-query";
import { FlaskConical, Plus, Server } from "lucide-react";
import Link from "next/link";
import type { ReactNode } from "react";
import { AddDemoHostsButton } from "#components/host/actions/AddDemoHostsButton.tsx";
import { useMay } from "#components/session/session-context.ts";
import { Button } from "#components/ui/Button.tsx";
import { Card } from "#components/ui/Card.tsx";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { StateMark } from "#components/ui/StateMark.tsx";
import { hostQueries } from "#lib/http/queries/host.ts";

/** What the overview shows while there is no host: the two first steps. */
export function Onboarding(): ReactNode {
  const mayAdd = useMay("host.add");
  if (!mayAdd) {
    return (
      <Card>
        <EmptyState icon={<Server />} title="No host is connected yet">
          An administrator adds hosts; their virtual machines, storage and networks then show here.
        </EmptyState>
      </Card>
    );
  }
  return (
    <div className="grid max-w-5xl gap-4 md:grid-cols-2">
      <Card
        title={
          <span className="flex items-center gap-2">
            <Server aria-hidden className="size-4 text-ink-3" /> Add a host
          </span>
        }
      >
        <div className="space-y-3">
          <p className="text-ink-2">
            Connect a KVM host by its libvirt socket, over SSH or over TLS. Its virtual machines, storage and networks
            then show here, and images can be deployed to it.
          </p>
          <FoundSockets />
          <Button asChild variant="primary">
            <Link href="/hosts/new">
              <Plus aria-hidden /> Add a host
            </Link>
          </Button>
        </div>
      </Card>
      <Card
        title={
          <span className="flex items-center gap-2">
            <FlaskConical aria-hidden className="size-4 text-ink-3" /> Explore with simulated hosts
          </span>
        }
      >
        <div className="space-y-3">
          <p className="text-ink-2">
            Five simulated hosts, one a vendor, each with its formats, buses, firmware and limits. They take real bytes
            and write real disk files on this server, so the whole way from an image to a receipt can be walked. No
            guest really runs on them, and they are marked as simulated everywhere.
          </p>
          <AddDemoHostsButton />
        </div>
      </Card>
    </div>
  );
}

function FoundSockets(): ReactNode {
  const found = useQuery(hostQueries.discovered());
  if (found.isPending) return <p className="text-xs text-ink-3">Looking for libvirt on this server…</p>;
  if (!found.data || found.data.length === 0)
    return <p className="text-xs text-ink-3">No libvirt socket was found on this server itself.</p>;
  return (
    <ul className="rounded-md border">
      {found.data.map((socket) => (
        <li key={socket.socket} className="flex flex-wrap items-center gap-2 border-b px-3 py-2 last:border-b-0">
          <div className="min-w-0 grow">
            <StateMark state={socket.usable ? "on" : "warn"}>{socket.label}</StateMark>
            <code className="block truncate text-xs text-ink-3">{socket.socket}</code>
            {socket.why ? <div className="text-xs text-ink-2">{socket.why}</div> : null}
          </div>
          {socket.usable ? (
            <Button asChild size="sm">
              <Link href={`/hosts/new?socket=${encodeURIComponent(socket.socket)}`}>Add this one</Link>
            </Button>
          ) : null}
        </li>
      ))}
    </ul>
  );
}
