"use client";
import { parseAsInteger, parseAsString, parseAsStringLiteral, useQueryStates } from "nuqs";
import { AUDIT_SUBJECTS } from "#lib/domain/audit-actions.ts";
import type { AuditFilter } from "#lib/http/queries/audit.ts";

export const RESULTS = ["ok", "refused", "failed"] as const;

const PARSERS = {
  q: parseAsString.withDefault(""),
  actor: parseAsString,
  kind: parseAsStringLiteral(AUDIT_SUBJECTS),
  subject: parseAsString,
  result: parseAsStringLiteral(RESULTS),
  /** Days as the date field gives them: 2026-11-23. */
  from: parseAsString,
  to: parseAsString,
  /** Entry that is open in the panel. */
  entry: parseAsInteger,
};

export function useAuditFilter() {
  return useQueryStates(PARSERS, { history: "replace" });
}

export type AuditView = ReturnType<typeof useAuditFilter>[0];
export type SetAuditView = ReturnType<typeof useAuditFilter>[1];

/** A day of the reader's own calendar as a moment; `end` gives its last one. */
function moment(day: string | null, end: boolean): string | null {
  if (!day || !/^\d{4}-\d{2}-\d{2}$/.test(day)) return null;
  const at = new Date(`${day}T${end ? "23:59:59.999" : "00:00:00.000"}`);
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
}

export function filterOf(view: AuditView): AuditFilter {
  return {
    q: view.q || null,
    actor: view.actor,
    subjectKind: view.kind,
    subjectId: view.subject,
    result: view.result,
    from: moment(view.from, false),
    to: moment(view.to, true),
  };
}
