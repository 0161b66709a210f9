import type { ReactNode } from "react";

/** The product's sign: one line over five. */
export function BrandMark({ className }: { className?: string }): ReactNode {
  return (
    <svg aria-hidden viewBox="0 0 20 20" className={className ?? "size-5 text-accent-ink"} fill="currentColor">
      <rect x="2" y="3" width="16" height="3" rx="1" />
      <rect x="2" y="9" width="2" height="8" rx="0.75" />
      <rect x="5.5" y="9" width="2" height="8" rx="0.75" />
      <rect x="9" y="9" width="2" height="8" rx="0.75" />
      <rect x="12.5" y="9" width="2" height="8" rx="0.75" />
      <rect x="16" y="9" width="2" height="8" rx="0.75" />
    </svg>
  );
}
