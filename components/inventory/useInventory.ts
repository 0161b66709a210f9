"use client";
import { parseAsArrayOf, parseAsString, parseAsStringLiteral, useQueryStates } from "nuqs";
import { VENDORS } from "#lib/domain/hardware.ts";

const STATES = ["running", "stopped", "paused", "suspended", "crashed", "unknown"] as const;
const FIRMWARE = ["bios", "uefi"] as const;

const PARSERS = {
  q: parseAsString.withDefault(""),
  vendor: parseAsStringLiteral(VENDORS),
  host: parseAsString,
  state: parseAsStringLiteral(STATES),
  firmware: parseAsStringLiteral(FIRMWARE),
  /** The VM in the details panel, as vmKey writes it. */
  vm: parseAsString,
  /** Branches of the tree: vendors that are folded, hosts that are unfolded. */
  fold: parseAsArrayOf(parseAsString).withDefault([]),
  open: parseAsArrayOf(parseAsString).withDefault([]),
};

/** Everything that the inventory page shows stands in its address: it can be linked to, and Back works. */
export function useInventory() {
  return useQueryStates(PARSERS, { history: "replace" });
}

export type Inventory = ReturnType<typeof useInventory>[0];
export type SetInventory = ReturnType<typeof useInventory>[1];
