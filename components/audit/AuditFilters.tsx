"use client";
import type { ReactNode } from "react";
import { Button } from "#components/ui/Button.tsx";
import { Input } from "#components/ui/Input.tsx";
import { Select } from "#components/ui/Select.tsx";
import { AUDIT_SUBJECTS } from "#lib/domain/audit-actions.ts";
import { SUBJECT_LABEL } from "./action-words.ts";
import { RESULTS, type AuditView, type SetAuditView } from "./useAuditFilter.ts";

const ANY = "any";
const RESULT_WORD = { ok: "Done", refused: "Refused", failed: "Failed" };
export function AuditFilters({ view, set }: { view: AuditView; set: SetAuditView }): ReactNode {
  const filtered = Boolean(view.q || view.actor || view.kind || view.subject || view.result || view.from || view.to);
  return (
    <div role="search" aria-label="Audit trail" className="flex flex-wrap items-center gap-2">
      <Input
        type="search"
        aria-label="Search the audit trail"
        placeholder="Person, action or name"
        className="w-full sm:w-56"
        value={view.q}
        onChange={(event) => void set({ q: event.target.value || null, entry: null })}
      />
      <Select
        aria-label="Subject"
        className="w-44"
        value={view.kind ?? ANY}
        onChange={(value) => void set({ kind: AUDIT_SUBJECTS.find((kind) => kind === value) ?? null, subject: null })}
        options={[
          { value: ANY, label: "Any subject" },
          ...AUDIT_SUBJECTS.map((kind) => ({ value: kind, label: SUBJECT_LABEL[kind] })),
        ]}
      />
      <Select
        aria-label="Result"
        className="w-32"
        value={view.result ?? ANY}
        onChange={(value) => void set({ result: RESULTS.find((result) => result === value) ?? null })}
        options={[
          { value: ANY, label: "Any result" },
          ...RESULTS.map((result) => ({ value: result, label: RESULT_WORD[result] })),
        ]}
      />
      <label className="flex items-center gap-1.5 text-ink-2">
        From
        <Input
          type="date"
          className="w-36"
          value={view.from ?? ""}
          onChange={(event) => void set({ from: event.target.value || null })}
        />
      </label>
      <label className="flex items-center gap-1.5 text-ink-2">
        to
        <Input
          type="date"
          className="w-36"
          value={view.to ?? ""}
          onChange={(event) => void set({ to: event.target.value || null })}
        />
      </label>
      {filtered ? (
        <Button
          variant="ghost"
          onClick={() =>
            void set({ q: null, actor: null, kind: null, subject: null, result: null, from: null, to: null })
          }
        >
          Clear
        </Button>
      ) : null}
    </div>
  );
}
