import { CircleAlert, Info, OctagonX } from "lucide-react";
import type { Finding } from "#lib/domain/finding.ts";
import { Button } from "#components/ui/Button.tsx";

const LOOK = {
  blocker: { Icon: OctagonX, word: "Blocker", tone: "text-bad" },
  warning: { Icon: CircleAlert, word: "Warning", tone: "text-warn" },
  info: { Icon: Info, word: "Note", tone: "text-ink-3" },
} as const;

interface FindingListProps {
  readonly findings: readonly Finding[];
  /** Absent: read only, remedies are not offered. */
  readonly onRemedy?: ((change: Record<string, unknown>) => void) | undefined;
}

/** What preflight has to say about one control: severity as shape and word, the fact, and a remedy by one click. */
export function FindingList({ findings, onRemedy }: FindingListProps) {
  if (findings.length === 0) return null;
  return (
    <ul className="space-y-1">
      {findings.map((finding) => {
        const { Icon, word, tone } = LOOK[finding.severity];
        const remedy = finding.remedy;
        return (
          <li
            key={`${finding.rule}-${finding.message}`}
            className="flex items-start gap-1.5 text-xs leading-4.5"
            data-rule={finding.rule}
            data-severity={finding.severity}
          >
            <Icon aria-hidden className={`mt-0.5 size-3.5 shrink-0 ${tone}`} />
            <div className="min-w-0 flex-1">
              <span className={`font-medium ${tone}`}>{word}: </span>
              <span title={`${finding.rule}. Source: ${finding.source}`}>{finding.message}</span>
              {remedy !== null && onRemedy !== undefined ? (
                <Button size="sm" className="ml-2 align-baseline" onClick={() => onRemedy(remedy.set)}>
                  {remedy.label}
                </Button>
              ) : null}
            </div>
          </li>
        );
      })}
    </ul>
  );
}
