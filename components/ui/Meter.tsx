import type { ReactNode } from "react";
import { cn } from "./cn.ts";

export interface MeterProps {
  /** Both in the same unit. */
  used: number;
  total: number;
  /** For screen readers: "Storage of kvm-1". */
  label: string;
  /** The words shown at the right: "3.1 of 8.0 GiB". */
  text?: ReactNode;
  className?: string;
}

/** A capacity bar. From 80 % it warns, from 92 % it is full; the words beside it say the numbers. */
export function Meter({ used, total, label, text, className }: MeterProps): ReactNode {
  const share = total > 0 ? Math.min(1, Math.max(0, used / total)) : 0;
  const percent = Math.round(share * 100);
  const tone = share >= 0.92 ? "bg-bad" : share >= 0.8 ? "bg-warn" : "bg-bar";
  return (
    <div className={cn("flex min-w-0 items-center gap-2", className)}>
      <div
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
        aria-valuetext={`${percent} percent used`}
        className="h-2 min-w-12 grow overflow-hidden rounded-sm bg-track"
      >
        <div className={cn("h-full", tone)} style={{ width: `${percent}%` }} />
      </div>
      {text ? <span className="shrink-0 text-xs text-ink-2">{text}</span> : null}
    </div>
  );
}
