import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { z } from "zod";
import { VmRow } from "#lib/domain/host.ts";
import { pageOf } from "#lib/domain/page.ts";
import { api } from "#lib/http/client.ts";

const counts = z.record(z.string(), z.number());
export const VmPage = pageOf(VmRow).extend({
  /** How many VMs each value would show; a facet is counted without its own filter. */
  facets: z.object({
    state: counts.default({}),
    vendor: counts.default({}),
    host: counts.default({}),
    firmware: counts.default({}),
  }),
});
export type VmPage = z.infer<typeof VmPage>;

export interface VmFilter {
  readonly host?: string | null;
  readonly vendor?: string | null;
  readonly state?: string | null;
  readonly firmware?: string | null;
  readonly q?: string | null;
  readonly sort?: "name" | "state" | "cpus" | "memory" | "host";
  readonly order?: "asc" | "desc";
}

/** Rows a request: few round trips for ten thousand, yet a first page at once. */
const PAGE = 500;

export const vmQueries = {
  all: ["vms"] as const,
  list: (filter: VmFilter) =>
    infiniteQueryOptions({
      queryKey: ["vms", "list", filter],
      queryFn: ({ signal, pageParam }) =>
        api.get("/vms", VmPage, { ...filter, cursor: pageParam, limit: PAGE }, signal),
      initialPageParam: null as string | null,
      getNextPageParam: (page) => page.next,
      placeholderData: keepPreviousData,
    }),
  /** The first few, for a tree branch or a palette. */
  some: (filter: VmFilter, limit: number) =>
    queryOptions({
      queryKey: ["vms", "some", filter, limit],
      queryFn: ({ signal }) => api.get("/vms", VmPage, { ...filter, limit }, signal),
    }),
  detail: (hostId: string, ref: string) =>
    queryOptions({
      queryKey: ["vms", "detail", hostId, ref],
      queryFn: ({ signal }) =>
        api.get(`/vms/${encodeURIComponent(hostId)}/${encodeURIComponent(ref)}`, VmRow, {}, signal),
    }),
};
