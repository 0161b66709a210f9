import type { JobLogLine } from "#lib/domain/job.ts";
import { formatMoment } from "#lib/format/time.ts";

const TONE = { info: "text-ink-3", warn: "text-warn", error: "text-bad" } as const;

/** The job's own account, folded until somebody wants it. */
export function JobLog({ lines }: { readonly lines: readonly JobLogLine[] }) {
  if (lines.length === 0) return null;
  return (
    <details className="text-xs">
      <summary className="cursor-pointer text-ink-3">Log, {lines.length} lines</summary>
      <ol
        className="mt-1 max-h-60 space-y-0.5 overflow-y-auto rounded-sm border border-line bg-sunken p-2 font-mono"
        tabIndex={0}
        aria-label="Log"
      >
        {lines.map((line, index) => (
          <li key={`${line.at}-${index}`} className="break-words">
            <span className="text-ink-3">{formatMoment(line.at)} </span>
            <span className={TONE[line.level]}>{line.level === "info" ? "" : `${line.level}: `}</span>
            {line.text}
          </li>
        ))}
      </ol>
    </details>
  );
}
