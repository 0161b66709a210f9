"use client";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import type { VmRow } from "#lib/domain/host.ts";
import { vmQueries, type VmFilter, type VmPage } from "#lib/http/queries/vm.ts";

export interface Vms {
  rows: readonly VmRow[];
  total: number;
  facets: VmPage["facets"] | null;
  pending: boolean;
  error: Error | null;
  retry: () => void;
  more: () => void;
}

/** The VMs that a filter lets through, page after page as the table is scrolled. */
export function useVms(filter: VmFilter): Vms {
  const query = useInfiniteQuery(vmQueries.list(filter));
  const { data, hasNextPage, isFetchingNextPage, fetchNextPage, refetch } = query;
  const rows = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data]);
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const first = data?.pages[0];
  return {
    rows,
    total: first?.total ?? 0,
    facets: first?.facets ?? null,
    pending: query.isPending,
    error: query.error,
    retry: useCallback(() => void refetch(), [refetch]),
    more,
  };
}
