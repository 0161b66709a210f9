"use client";

import type { PreflightAnswer } from "#lib/domain/request-view.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { formatDuration } from "#lib/format/time.ts";
import { Button } from "#components/ui/Button.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Field } from "#components/ui/Field.tsx";
import { Textarea } from "#components/ui/Textarea.tsx";

interface DeploySummaryProps {
  readonly targets: number;
  readonly answer: PreflightAnswer | null;
  /** Findings belong to older choices until the next answer is here. */
  readonly stale: boolean;
  readonly preflightError: Error | null;
  readonly approvalWaived: boolean;
  readonly note: string;
  readonly onNote: (note: string) => void;
  readonly submitting: boolean;
  readonly submitError: Error | null;
  /** Why this person cannot submit, or null. */
  readonly refusal: string | null;
  readonly onSubmit: () => void;
}

/** The right of the deploy page: what will move, how long it takes, who must agree. */
export function DeploySummary(props: DeploySummaryProps) {
  const findings = props.answer?.targets.flatMap((target) => target.findings) ?? [];
  const count = (severity: string) => findings.filter((finding) => finding.severity === severity).length;
  const estimates = props.answer?.targets.map((target) => target.estimate) ?? [];
  const bytes = estimates.reduce((sum, estimate) => sum + estimate.bytesToMove, 0);
  // Targets run side by side on the worker; the longest one is what a person waits for.
  const longest = estimates.reduce<(typeof estimates)[number] | null>(
    (worst, e) => (worst === null || e.seconds > worst.seconds ? e : worst),
    null,
  );
  const blockers = count("blocker");
  const why =
    props.refusal ??
    (props.targets === 0
      ? "Add at least one target."
      : props.answer === null
        ? "Waiting for the findings of preflight."
        : blockers > 0
          ? `${blockers} ${blockers === 1 ? "blocker" : "blockers"} must be settled first.`
          : props.stale
            ? "Checking the last change…"
            : null);
  return (
    <section aria-label="Summary" className="space-y-3 rounded-md border border-line bg-surface p-3">
      <h2 className="text-sm font-semibold">Summary</h2>
      <dl className="grid grid-cols-[auto_1fr] gap-x-3 gap-y-1 text-sm tabular-nums">
        <dt className="text-ink-3">VMs</dt>
        <dd>{props.targets}</dd>
        <dt className="text-ink-3">To move</dt>
        <dd>{estimates.length === 0 ? "–" : formatBytes(bytes)}</dd>
        <dt className="text-ink-3">Time</dt>
        <dd>
          {longest === null ? "–" : `about ${formatDuration(longest.seconds)} ± ${formatDuration(longest.error)}`}
        </dd>
        <dt className="text-ink-3">Basis</dt>
        <dd>{longest?.basis ?? "–"}</dd>
        <dt className="text-ink-3">Findings</dt>
        <dd>
          {blockers} blockers, {count("warning")} warnings, {count("info")} notes
        </dd>
        <dt className="text-ink-3">Approval</dt>
        <dd>{props.approvalWaived ? "waived by policy: runs at once" : "by another person with the role operator"}</dd>
        <dt className="text-ink-3">Guest</dt>
        <dd>not changed: the disk arrives bit for bit</dd>
      </dl>
      <Field label="Note for the approver">
        {(c) => (
          <Textarea
            {...c}
            rows={2}
            maxLength={2000}
            value={props.note}
            onChange={(event) => props.onNote(event.target.value)}
          />
        )}
      </Field>
      {props.preflightError === null ? null : <ErrorNotice error={props.preflightError} />}
      {props.submitError === null ? null : <ErrorNotice error={props.submitError} />}
      <Button variant="primary" className="w-full" disabled={why !== null || props.submitting} onClick={props.onSubmit}>
        {props.submitting ? "Submitting…" : props.approvalWaived ? "Deploy now" : "Request approval"}
      </Button>
      {why === null ? null : (
        <p role="status" className="text-xs text-ink-3">
          {why}
        </p>
      )}
    </section>
  );
}
