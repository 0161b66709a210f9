"use client";
import { parseAsStringLiteral, useQueryStates } from "nuqs";
import type { DataSort } from "#components/ui/DataTable.tsx";

const SORTS = ["name", "state", "cpus", "memory", "host"] as const;
const ORDERS = ["asc", "desc"] as const;

export interface VmSort {
  sort: (typeof SORTS)[number];
  order: (typeof ORDERS)[number];
  current: DataSort;
  setSort: (sort: DataSort | null) => void;
}

/** How the VMs are sorted, kept in the address. The server sorts: there may be more rows than are here. */
export function useVmSort(): VmSort {
  const [{ sort, order }, set] = useQueryStates({
    sort: parseAsStringLiteral(SORTS).withDefault("name"),
    order: parseAsStringLiteral(ORDERS).withDefault("asc"),
  });
  return {
    sort,
    order,
    current: { id: sort, desc: order === "desc" },
    setSort: (next) =>
      void set(
        next
          ? { sort: SORTS.find((id) => id === next.id) ?? "name", order: next.desc ? "desc" : "asc" }
          : { sort: null, order: null },
      ),
  };
}
