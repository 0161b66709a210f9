import type { ReactNode } from "react";
import { cn } from "./cn.ts";

export interface SparklineProps {
  /** Oldest first. */
  values: readonly number[];
  /** In words what the line shows: "Throughput, last minute, now 212 MB/s". */
  label: string;
  /** Top of the scale; the greatest value when left out. */
  max?: number;
  className?: string;
}

const WIDTH = 100;
const HEIGHT = 24;

export function Sparkline({ values, label, max, className }: SparklineProps): ReactNode {
  const top = Math.max(max ?? 0, ...values, 1e-9);
  const step = values.length > 1 ? WIDTH / (values.length - 1) : WIDTH;
  const points = values.map(
    (value, index) => `${(index * step).toFixed(2)},${(HEIGHT - 1 - (value / top) * (HEIGHT - 2)).toFixed(2)}`,
  );
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      className={cn("h-6 w-24", className)}
    >
      {points.length > 1 ? (
        <>
          <polygon points={`0,${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}`} className="fill-bar/20" />
          <polyline
            points={points.join(" ")}
            fill="none"
            className="stroke-bar"
            strokeWidth="1.5"
            vectorEffect="non-scaling-stroke"
          />
        </>
      ) : null}
    </svg>
  );
}
