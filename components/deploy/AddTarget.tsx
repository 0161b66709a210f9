"use client";

import { Plus } from "lucide-react";
import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { hostQueries } from "#lib/http/queries/host.ts";
import { Button } from "#components/ui/Button.tsx";
import { DropdownMenu, MenuItem } from "#components/ui/DropdownMenu.tsx";
import { VendorGlyph } from "#components/host/VendorMark.tsx";

/** Adds a card for a host; the same host may be added again for another VM. */
export function AddTarget({ onAdd }: { readonly onAdd: (hostId: string) => void }) {
  const hosts = useQuery(hostQueries.list());
  const list = hosts.data ?? [];
  if (hosts.isSuccess && list.length === 0) {
    return (
      <p className="text-sm text-ink-3">
        No host yet.{" "}
        <Link className="font-medium text-accent-ink underline-offset-2 hover:underline" href="/hosts/new">
          Add a host
        </Link>{" "}
        first.
      </p>
    );
  }
  return (
    <DropdownMenu
      align="start"
      trigger={
        <Button disabled={list.length === 0}>
          <Plus aria-hidden /> Add target
        </Button>
      }
    >
      {list.map((host) => (
        <MenuItem key={host.id} icon={<VendorGlyph vendor={host.vendor} />} onSelect={() => onAdd(host.id)}>
          {host.name}
          <span className="ml-2 text-xs text-ink-3">
            {host.state}
            {host.simulated ? ", simulated" : ""}
          </span>
        </MenuItem>
      ))}
    </DropdownMenu>
  );
}
