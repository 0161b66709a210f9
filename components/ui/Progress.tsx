"use client";
import { Progress as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { cn } from "./cn.ts";

export interface ProgressProps {
  /** 0…1; null: under way, share not known. */
  value: number | null;
  /** What moves, for screen readers: "Converting web-golden". */
  label: string;
  tone?: "accent" | "ok" | "bad";
  className?: string;
}

const TONE = { accent: "bg-accent", ok: "bg-ok", bad: "bg-bad" };

export function Progress({ value, label, tone = "accent", className }: ProgressProps): ReactNode {
  const percent = value === null ? null : Math.min(100, Math.max(0, value * 100));
  return (
    <Radix.Root
      value={percent === null ? null : Math.floor(percent)}
      aria-label={label}
      className={cn("h-1.5 w-full overflow-hidden rounded-full bg-track", className)}
    >
      <Radix.Indicator
        className={cn("h-full rounded-full", TONE[tone], percent === null && "hatched w-full")}
        style={percent === null ? undefined : { width: `${percent}%` }}
      />
    </Radix.Root>
  );
}
