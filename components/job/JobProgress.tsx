import type { Progress as ProgressValue } from "#lib/domain/request.ts";
import { Progress } from "#components/ui/Progress.tsx";
import { formatBytes, formatBytesOf, formatPercent } from "#lib/format/bytes.ts";
import { formatRate } from "#lib/format/rate.ts";
import { formatEta } from "#lib/format/time.ts";

/** "3.1 of 8.0 GiB · 39 % · 212 MB/s · 24 s left · 1.2 GiB over the wire" under a bar. */
export function JobProgress({ progress, label }: { readonly progress: ProgressValue; readonly label: string }) {
  return (
    <div className="space-y-1">
      <Progress value={progress.total === 0 ? null : progress.done / progress.total} label={label} />
      <p className="flex flex-wrap gap-x-3 text-xs tabular-nums text-ink-3">
        <span>{formatBytesOf(progress.done, progress.total)}</span>
        <span>{formatPercent(progress.done, progress.total)}</span>
        {progress.rate === null ? null : <span>{formatRate(progress.rate)}</span>}
        <span>{formatEta(progress.eta)}</span>
        <span>{formatBytes(progress.moved)} over the wire</span>
      </p>
    </div>
  );
}
