import type { ReactNode } from "react";
import { cn } from "./cn.ts";

/** A grey place for what is coming, always with words: what is being read. */
export function Skeleton({
  words,
  className,
  lines = 3,
}: {
  words: string;
  className?: string;
  lines?: number;
}): ReactNode {
  return (
    <div role="status" className={cn("space-y-2", className)}>
      <div className="text-ink-3">{words}</div>
      {Array.from({ length: lines }, (_, index) => (
        <div
          key={index}
          aria-hidden
          className="h-4 animate-pulse rounded-sm bg-sunken"
          style={{ width: `${90 - index * 15}%` }}
        />
      ))}
    </div>
  );
}
