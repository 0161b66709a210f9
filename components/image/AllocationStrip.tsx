import type { AllocationMap } from "#lib/domain/guest.ts";
import { formatBytes } from "#lib/format/bytes.ts";

/** Where on the disk data lies: one slim bar a slice, the fuller the darker. */
export function AllocationStrip({ map, size }: { readonly map: AllocationMap; readonly size: number }) {
  const share = size === 0 ? 0 : map.dataBytes / size;
  const label = `${formatBytes(map.dataBytes)} of ${formatBytes(size)} hold data (${(share * 100).toFixed(0)} %)`;
  return (
    <figure className="space-y-1.5">
      <svg
        role="img"
        aria-label={label}
        viewBox={`0 0 ${map.slices.length} 10`}
        preserveAspectRatio="none"
        className="h-4 w-full rounded-sm border border-line bg-sunken text-accent-ink"
      >
        {map.slices.map((full, index) =>
          full === 0 ? null : (
            <rect
              key={`${index}-${full}`}
              x={index}
              y={0}
              width={1.02}
              height={10}
              fill="currentColor"
              opacity={0.25 + full * 0.75}
            />
          ),
        )}
      </svg>
      <figcaption className="text-xs text-ink-3">{label}</figcaption>
    </figure>
  );
}
