"use client";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "#components/ui/IconButton.tsx";
import { Input } from "#components/ui/Input.tsx";
import { Select, type SelectOption } from "#components/ui/Select.tsx";
import { VM_STATE } from "#components/vm/VmStateMark.tsx";
import { VENDOR_LABEL, VENDORS } from "#lib/domain/hardware.ts";
import type { VmPage } from "#lib/http/queries/vm.ts";
import type { Inventory, SetInventory } from "./useInventory.ts";

export interface InventoryFiltersProps {
  inventory: Inventory;
  set: SetInventory;
  facets: VmPage["facets"] | null;
}

const STATES = ["running", "stopped", "paused", "suspended", "crashed", "unknown"] as const;
const ANY = "any";

export function InventoryFilters({ inventory, set, facets }: InventoryFiltersProps): ReactNode {
  const count = (counts: Record<string, number> | undefined, value: string): string =>
    counts?.[value] === undefined ? "" : ` (${counts[value].toLocaleString("en")})`;
  const states: SelectOption[] = STATES.filter(
    (state) => (facets?.state[state] ?? 0) > 0 || inventory.state === state || !facets,
  ).map((state) => ({
    value: state,
    label: `${VM_STATE[state].word}${count(facets?.state, state)}`,
  }));
  const vendors: SelectOption[] = VENDORS.filter(
    (vendor) => (facets?.vendor[vendor] ?? 0) > 0 || inventory.vendor === vendor || !facets,
  ).map((vendor) => ({
    value: vendor,
    label: `${VENDOR_LABEL[vendor]}${count(facets?.vendor, vendor)}`,
  }));
  const filtered = Boolean(inventory.q || inventory.vendor || inventory.host || inventory.state || inventory.firmware);
  return (
    <>
      <Input
        type="search"
        aria-label="Search virtual machines"
        placeholder="Name, address or guest"
        value={inventory.q}
        onChange={(event) => void set({ q: event.target.value || null })}
        className="w-full sm:w-56"
      />
      <Select
        aria-label="State"
        className="w-36"
        value={inventory.state ?? ANY}
        onChange={(value) => void set({ state: STATES.find((state) => state === value) ?? null })}
        options={[{ value: ANY, label: "Any state" }, ...states]}
      />
      <Select
        aria-label="Vendor"
        className="w-36"
        value={inventory.vendor ?? ANY}
        onChange={(value) => void set({ vendor: VENDORS.find((vendor) => vendor === value) ?? null, host: null })}
        options={[{ value: ANY, label: "Any vendor" }, ...vendors]}
      />
      <Select
        aria-label="Firmware"
        className="w-36"
        value={inventory.firmware ?? ANY}
        onChange={(value) => void set({ firmware: value === "bios" || value === "uefi" ? value : null })}
        options={[
          { value: ANY, label: "Any firmware" },
          { value: "bios", label: `BIOS${count(facets?.firmware, "bios")}` },
          { value: "uefi", label: `UEFI${count(facets?.firmware, "uefi")}` },
        ]}
      />
      {filtered ? (
        <IconButton
          label="Clear search and filters"
          onClick={() => void set({ q: null, vendor: null, host: null, state: null, firmware: null })}
        >
          <X aria-hidden />
        </IconButton>
      ) : null}
    </>
  );
}
