import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { Job, JobDetail } from "#lib/domain/job.ts";
import { pageOf } from "#lib/domain/page.ts";
import { api } from "#lib/http/client.ts";

const JobPage = pageOf(Job);

export interface JobFilter {
  readonly state?: "active" | "finished" | "all";
  readonly subjectKind?: string;
  readonly subjectId?: string;
  readonly q?: string | null;
}

export const jobQueries = {
  all: ["jobs"] as const,
  /** Queued, running and cancelling: what the task drawer shows. */
  active: () =>
    queryOptions({
      queryKey: ["jobs", "active"],
      queryFn: ({ signal }) => api.get("/jobs", JobPage, { state: "active", limit: 100 }, signal),
    }),
  /** The newest few that have ended. */
  recent: (limit: number) =>
    queryOptions({
      queryKey: ["jobs", "recent", limit],
      queryFn: ({ signal }) => api.get("/jobs", JobPage, { state: "finished", limit }, signal),
    }),
  list: (filter: JobFilter = {}) =>
    infiniteQueryOptions({
      queryKey: ["jobs", "list", filter],
      queryFn: ({ signal, pageParam }) =>
        api.get("/jobs", JobPage, { ...filter, cursor: pageParam, limit: 100 }, signal),
      initialPageParam: null as string | null,
      getNextPageParam: (page) => page.next,
    }),
  detail: (id: string) =>
    queryOptions({
      queryKey: ["jobs", "detail", id],
      queryFn: ({ signal }) => api.get(`/jobs/${encodeURIComponent(id)}`, JobDetail, {}, signal),
    }),
};
