"use client";
import { Filter, Search } from "lucide-react";
import { useDeferredValue, useState, type ReactNode } from "react";
import { Button } from "#components/ui/Button.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { useVmSort } from "#components/vm/useVmSort.ts";
import { useVms } from "#components/vm/useVms.ts";
import { parseVmKey, vmKey } from "#components/vm/vm-path.ts";
import { VmTable } from "#components/vm/VmTable.tsx";
import { EstateTree } from "./EstateTree.tsx";
import { InventoryFilters } from "./InventoryFilters.tsx";
import { useInventory } from "./useInventory.ts";
import { VmPanel } from "./VmPanel.tsx";

export function InventoryView(): ReactNode {
  const [inventory, set] = useInventory();
  const { sort, order, current, setSort } = useVmSort();
  const { vendor, host, state, firmware } = inventory;
  const q = useDeferredValue(inventory.q);
  const vms = useVms({ q, vendor, host, state, firmware, sort, order });
  const selected = parseVmKey(inventory.vm);
  const [tree, setTree] = useState(false);
  const filtered = Boolean(q || vendor || host || state || firmware);

  return (
    <div className="flex h-full">
      <h1 className="sr-only">Inventory</h1>
      <aside aria-label="Estate" className="hidden w-72 shrink-0 overflow-y-auto border-r bg-surface lg:block">
        <EstateTree inventory={inventory} set={set} />
      </aside>
      <div className="flex min-w-0 grow flex-col">
        <div className="flex flex-wrap items-center gap-2 border-b bg-surface px-3 py-2">
          <Button className="lg:hidden" onClick={() => setTree(true)}>
            Estate
          </Button>
          <InventoryFilters inventory={inventory} set={set} facets={vms.facets} />
          <span role="status" className="ml-auto text-xs text-ink-2">
            {vms.pending
              ? "Counting…"
              : `${vms.total.toLocaleString("en")} virtual ${vms.total === 1 ? "machine" : "machines"}`}
          </span>
        </div>
        <div className="min-h-0 grow">
          <VmTable
            vms={vms}
            sort={current}
            onSort={setSort}
            selectedKey={inventory.vm}
            onOpen={(vm) => void set({ vm: vmKey(vm) })}
            empty={
              filtered ? (
                <EmptyState
                  icon={<Filter />}
                  title="No virtual machine fits"
                  actions={
                    <Button
                      onClick={() => void set({ q: null, vendor: null, host: null, state: null, firmware: null })}
                    >
                      Show all
                    </Button>
                  }
                >
                  The search and the filters together let none through.
                </EmptyState>
              ) : (
                <EmptyState icon={<Search />} title="No virtual machines yet">
                  They appear here as soon as a host is connected and has been read.
                </EmptyState>
              )
            }
          />
        </div>
      </div>
      {selected ? (
        <VmPanel hostId={selected.hostId} vmRef={selected.ref} onClose={() => void set({ vm: null })} />
      ) : null}
      <Dialog open={tree} onOpenChange={setTree} title="Estate" size="sm">
        <EstateTree inventory={inventory} set={set} onPick={() => setTree(false)} />
      </Dialog>
    </div>
  );
}
