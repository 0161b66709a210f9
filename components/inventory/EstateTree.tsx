"use client";
import { useQuery } from "@tanstack/react-query";
import { Globe } from "lucide-react";
import type { ReactNode } from "react";
import { HostStateMark } from "#components/host/HostStateMark.tsx";
import { VendorGlyph } from "#components/host/VendorMark.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { VENDOR_LABEL, VENDORS, type Vendor } from "#lib/domain/hardware.ts";
import type { Host } from "#lib/domain/host.ts";
import { hostQueries } from "#lib/http/queries/host.ts";
import { HostBranch } from "./HostBranch.tsx";
import { TreeRow } from "./TreeRow.tsx";
import type { Inventory, SetInventory } from "./useInventory.ts";

export interface EstateTreeProps {
  inventory: Inventory;
  set: SetInventory;
  /** Something was chosen: a dialog around the tree closes. */
  onPick?: () => void;
}

const sum = (hosts: readonly Host[]): number => hosts.reduce((total, host) => total + host.counts.vms, 0);
const without = (list: readonly string[], value: string): string[] => list.filter((each) => each !== value);

/** Estate → vendor → host → virtual machine, with counts. What is chosen filters the table. */
export function EstateTree({ inventory, set, onPick }: EstateTreeProps): ReactNode {
  const hosts = useQuery(hostQueries.list());
  const all = hosts.data ?? [];
  const pick = (vendor: Vendor | null, host: string | null): void => {
    void set({ vendor, host });
    onPick?.();
  };
  const fold = (vendor: Vendor): void => {
    const folded = inventory.fold.includes(vendor);
    void set({ fold: folded ? without(inventory.fold, vendor) : [...inventory.fold, vendor] });
  };
  const unfold = (host: string): void => {
    const open = inventory.open.includes(host);
    void set({ open: open ? without(inventory.open, host) : [...inventory.open, host] });
  };
  return (
    <nav aria-label="Estate tree" className="p-2">
      {hosts.error ? <ErrorNotice error={hosts.error} onRetry={() => void hosts.refetch()} /> : null}
      {hosts.isPending ? <p className="p-2 text-ink-2">Reading hosts…</p> : null}
      <ul>
        <li>
          <TreeRow
            depth={0}
            icon={<Globe aria-hidden className="size-4 text-ink-2" />}
            label="Whole estate"
            count={sum(all)}
            current={!inventory.vendor && !inventory.host}
            onPick={() => pick(null, null)}
          />
        </li>
        {VENDORS.map((vendor) => {
          const own = all
            .filter((host) => host.vendor === vendor)
            .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
          if (own.length === 0) return null;
          const folded = inventory.fold.includes(vendor);
          return (
            <li key={vendor}>
              <TreeRow
                depth={0}
                icon={<VendorGlyph vendor={vendor} />}
                label={VENDOR_LABEL[vendor]}
                count={sum(own)}
                current={inventory.vendor === vendor && !inventory.host}
                open={!folded}
                onToggle={() => fold(vendor)}
                onPick={() => pick(vendor, null)}
              />
              {folded ? null : (
                <ul>
                  {own.map((host) => {
                    const open = inventory.open.includes(host.id);
                    return (
                      <li key={host.id}>
                        <TreeRow
                          depth={1}
                          icon={<HostStateMark state={host.state} markOnly />}
                          label={host.name}
                          note={host.simulated ? "simulated" : null}
                          count={host.counts.vms}
                          current={inventory.host === host.id}
                          open={open}
                          onToggle={() => unfold(host.id)}
                          onPick={() => pick(vendor, host.id)}
                        />
                        {open ? (
                          <HostBranch
                            host={host}
                            selected={inventory.vm}
                            onPick={(vm) => {
                              void set({ vm });
                              onPick?.();
                            }}
                            onAll={() => pick(vendor, host.id)}
                          />
                        ) : null}
                      </li>
                    );
                  })}
                </ul>
              )}
            </li>
          );
        })}
      </ul>
    </nav>
  );
}
