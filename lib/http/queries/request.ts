import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { pageOf } from "#lib/domain/page.ts";
import { PreflightAnswer, ProvisionRequest, RequestDetail } from "#lib/domain/request-view.ts";
import { TargetChoice } from "#lib/domain/request.ts";
import { api } from "#lib/http/client.ts";

const RequestPage = pageOf(ProvisionRequest);

export interface RequestFilter {
  readonly status?: string | null;
  /** Only those that the person asking made. */
  readonly mine?: boolean;
}

const params = (filter: RequestFilter) => ({ status: filter.status, mine: filter.mine ? 1 : null });

export const requestQueries = {
  all: ["requests"] as const,
  list: (filter: RequestFilter = {}) =>
    infiniteQueryOptions({
      queryKey: ["requests", "list", filter],
      queryFn: ({ signal, pageParam }) =>
        api.get("/requests", RequestPage, { ...params(filter), cursor: pageParam, limit: 100 }, signal),
      initialPageParam: null as string | null,
      getNextPageParam: (page) => page.next,
      placeholderData: keepPreviousData,
    }),
  /** The newest few. */
  some: (filter: RequestFilter, limit: number) =>
    queryOptions({
      queryKey: ["requests", "some", filter, limit],
      queryFn: ({ signal }) => api.get("/requests", RequestPage, { ...params(filter), limit }, signal),
    }),
  detail: (id: string) =>
    queryOptions({
      queryKey: ["requests", "detail", id],
      queryFn: ({ signal }) => api.get(`/requests/${encodeURIComponent(id)}`, RequestDetail, {}, signal),
    }),
  /** Findings and estimates for choices that are still being made; the last answer stays while the next comes. */
  preflight: (imageVersionId: string, targets: readonly TargetChoice[]) =>
    queryOptions({
      queryKey: ["preflight", imageVersionId, targets],
      queryFn: ({ signal }) => api.post("/preflight", PreflightAnswer, { imageVersionId, targets }, signal),
      placeholderData: keepPreviousData,
      enabled: targets.length > 0,
    }),
  /** Sensible first choices for this image on this host. */
  defaults: (imageVersionId: string, hostId: string) =>
    queryOptions({
      queryKey: ["preflight", "defaults", imageVersionId, hostId],
      queryFn: ({ signal }) => api.post("/preflight/defaults", TargetChoice, { imageVersionId, hostId }, signal),
      staleTime: Infinity,
    }),
};
