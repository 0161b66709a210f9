import { infiniteQueryOptions, keepPreviousData } from "@tanstack/react-query";
import { AuditEntry } from "#lib/domain/audit.ts";
import { pageOf } from "#lib/domain/page.ts";
import { api, apiUrl } from "#lib/http/client.ts";

export interface AuditFilter {
  readonly actor?: string | null;
  readonly action?: string | null;
  readonly subjectKind?: string | null;
  readonly subjectId?: string | null;
  readonly result?: string | null;
  readonly from?: string | null;
  readonly to?: string | null;
  readonly q?: string | null;
}

const AuditPage = pageOf(AuditEntry);

export const auditQueries = {
  all: ["audit"] as const,
  list: (filter: AuditFilter) =>
    infiniteQueryOptions({
      queryKey: ["audit", "list", filter],
      queryFn: ({ signal, pageParam }) =>
        api.get("/audit", AuditPage, { ...filter, cursor: pageParam, limit: 200 }, signal),
      initialPageParam: null as string | null,
      getNextPageParam: (page) => page.next,
      placeholderData: keepPreviousData,
    }),
};

export function auditExportUrl(format: "csv" | "json", filter: AuditFilter): string {
  return apiUrl("/audit/export", { format, ...filter });
}
