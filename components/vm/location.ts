import type { Vm } from "#lib/domain/inventory.ts";

/** `Web/Production · Cluster A · esx-07`; null: its host has no such order. */
export function locationOf({ location }: Pick<Vm, "location">): string | null {
  if (!location) return null;
  const parts = [location.folder, location.cluster, location.node].filter((part) => part !== null);
  return parts.length === 0 ? null : parts.join(" · ");
}
