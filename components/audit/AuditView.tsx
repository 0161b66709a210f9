"use client";
import { useInfiniteQuery } from "@tanstack/react-query";
import { FileClock } from "lucide-react";
import { useCallback, useDeferredValue, useMemo, type ReactNode } from "react";
import { useMay } from "#components/session/session-context.ts";
import { DataTable, type DataColumn } from "#components/ui/DataTable.tsx";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { PageHeader } from "#components/ui/PageHeader.tsx";
import { actionWords } from "#lib/domain/audit-actions.ts";
import type { AuditEntry } from "#lib/domain/audit.ts";
import { formatMoment } from "#lib/format/time.ts";
import { auditQueries } from "#lib/http/queries/audit.ts";
import { subjectWords } from "./action-words.ts";
import { AuditEntryPanel } from "./AuditEntryPanel.tsx";
import { AuditFilters } from "./AuditFilters.tsx";
import { AuditResultMark } from "./AuditResultMark.tsx";
import { ExportAuditLinks } from "./actions/ExportAuditLinks.tsx";
import { VerifyAuditButton } from "./actions/VerifyAuditButton.tsx";
import { filterOf, useAuditFilter } from "./useAuditFilter.ts";

const COLUMNS: readonly DataColumn<AuditEntry>[] = [
  { id: "seq", header: "No.", width: 80, align: "right", cell: (entry) => entry.seq },
  { id: "at", header: "When", width: 180, cell: (entry) => formatMoment(entry.at) },
  { id: "actor", header: "Who", width: 170, cell: (entry) => entry.actor.name },
  { id: "action", header: "Did what", width: 190, cell: (entry) => actionWords(entry.action, entry.result) },
  {
    id: "subject",
    header: "To what",
    width: 220,
    grow: true,
    cell: (entry) => subjectWords(entry.subject),
  },
  { id: "result", header: "Result", width: 110, cell: (entry) => <AuditResultMark result={entry.result} /> },
  { id: "via", header: "By way of", width: 100, cell: (entry) => VIA[entry.via] },
  { id: "address", header: "From", width: 150, cell: (entry) => entry.address ?? "–" },
];
const VIA: Record<AuditEntry["via"], string> = { web: "Browser", token: "API", system: "Supravisor" };

export function AuditView(): ReactNode {
  const mayRead = useMay("audit.read");
  if (!mayRead) {
    return (
      <div className="p-4">
        <PageHeader title="Audit" />
        <EmptyState icon={<FileClock />} title="Your role may not read the audit trail">
          Auditors and administrators read it.
        </EmptyState>
      </div>
    );
  }
  return <AuditTrail />;
}

function AuditTrail(): ReactNode {
  const [view, set] = useAuditFilter();
  const q = useDeferredValue(view.q);
  const filter = useMemo(() => filterOf({ ...view, q }), [view, q]);
  const trail = useInfiniteQuery(auditQueries.list(filter));
  const { data, hasNextPage, isFetchingNextPage, fetchNextPage } = trail;
  const rows = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data]);
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const entry = rows.find((each) => each.seq === view.entry);
  return (
    <div className="flex h-full">
      <div className="flex min-w-0 grow flex-col gap-3 p-4">
        <PageHeader
          title="Audit"
          subtitle="Who did what, when, to what. Entries are chained and sealed with a key: what is changed, added or taken out shows when the chain is verified."
          actions={
            <>
              <VerifyAuditButton />
              <ExportAuditLinks filter={filter} />
            </>
          }
        />
        <AuditFilters view={view} set={set} />
        <div className="min-h-0 grow overflow-hidden rounded-lg border">
          <DataTable
            label="Audit trail"
            columns={COLUMNS}
            rows={rows}
            rowKey={(each) => String(each.seq)}
            loading={trail.isPending ? "Reading the audit trail…" : null}
            error={trail.error}
            onRetry={() => void trail.refetch()}
            onOpen={(each) => void set({ entry: each.seq })}
            selectedKey={view.entry === null ? null : String(view.entry)}
            onEnd={more}
            total={data?.pages[0]?.total ?? 0}
            empty={
              <EmptyState icon={<FileClock />} title="No entries fit">
                Every change, and every refused attempt, is written here.
              </EmptyState>
            }
          />
        </div>
      </div>
      {entry ? <AuditEntryPanel entry={entry} onClose={() => void set({ entry: null })} /> : null}
    </div>
  );
}
