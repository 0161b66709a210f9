"use client";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { VmStateMark } from "#components/vm/VmStateMark.tsx";
import { vmKey } from "#components/vm/vm-path.ts";
import type { Host } from "#lib/domain/host.ts";
import { vmQueries } from "#lib/http/queries/vm.ts";
import { TreeRow } from "./TreeRow.tsx";

/** A tree is for finding one's way; beyond this many the table is the better place. */
const SHOWN = 50;

export interface HostBranchProps {
  host: Host;
  selected: string | null;
  onPick: (vm: string) => void;
  onAll: () => void;
}

export function HostBranch({ host, selected, onPick, onAll }: HostBranchProps): ReactNode {
  const vms = useQuery(vmQueries.some({ host: host.id, sort: "name", order: "asc" }, SHOWN));
  const items = vms.data?.items ?? [];
  const more = (vms.data?.total ?? 0) - items.length;
  return (
    <ul>
      {vms.isPending ? <li className="py-1 pl-14 text-xs text-ink-3">Reading {host.name}…</li> : null}
      {vms.error ? <li className="py-1 pl-14 text-xs text-bad">{vms.error.message}</li> : null}
      {vms.data && items.length === 0 ? <li className="py-1 pl-14 text-xs text-ink-3">No virtual machines</li> : null}
      {items.map((vm) => (
        <li key={vm.ref}>
          <TreeRow
            depth={2}
            icon={<VmStateMark state={vm.state} markOnly />}
            label={vm.name}
            current={selected === vmKey(vm)}
            onPick={() => onPick(vmKey(vm))}
          />
        </li>
      ))}
      {more > 0 ? (
        <li className="pl-14">
          <button type="button" onClick={onAll} className="h-7 text-xs text-accent-ink hover:underline">
            {more.toLocaleString("en")} more in the table
          </button>
        </li>
      ) : null}
    </ul>
  );
}
