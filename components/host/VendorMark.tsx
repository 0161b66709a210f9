import type { ReactNode } from "react";
import { VENDOR_LABEL, type Vendor } from "#lib/domain/hardware.ts";
import { cn } from "#components/ui/cn.ts";

/** Own simple signs, one stroke each; no vendor's logo. */
const SIGN: Record<Vendor, ReactNode> = {
  // Two sheets, one before the other.
  vmware: <path d="M2.5 5.5h7v7h-7zM6.5 5.5v-2h7v7h-4" />,
  // A window of four panes.
  hyperv: <path d="M2.5 2.5h11v11h-11zM8 2.5v11M2.5 8h11" />,
  // A ring with a crossing.
  xen: <path d="M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM5.5 5.5l5 5M10.5 5.5l-5 5" />,
  // A kernel in its shell.
  kvm: <path d="M8 1.8 13.4 4.9v6.2L8 14.2l-5.4-3.1V4.9zM8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4z" />,
  // A box seen from its corner.
  virtualbox: <path d="M8 2 13.5 5v6L8 14l-5.5-3V5zM2.5 5 8 8l5.5-3M8 8v6" />,
};

export function VendorGlyph({ vendor, className }: { vendor: Vendor; className?: string }): ReactNode {
  return (
    <svg
      aria-hidden
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.25"
      strokeLinejoin="round"
      strokeLinecap="round"
      className={cn("size-4 shrink-0 text-ink-2", className)}
    >
      {SIGN[vendor]}
    </svg>
  );
}

/** The vendor as glyph and name. */
export function VendorMark({ vendor, className }: { vendor: Vendor; className?: string }): ReactNode {
  return (
    <span className={cn("inline-flex items-center gap-1.5 align-top whitespace-nowrap", className)}>
      <VendorGlyph vendor={vendor} />
      {VENDOR_LABEL[vendor]}
    </span>
  );
}
