import { ChevronDown, ChevronRight } from "lucide-react";
import type { ReactNode } from "react";
import { cn } from "#components/ui/cn.ts";

export interface TreeRowProps {
  depth: number;
  icon: ReactNode;
  label: string;
  note?: string | null;
  count?: number;
  current: boolean;
  /** Given for what can be unfolded. */
  open?: boolean;
  onToggle?: () => void;
  onPick: () => void;
}

export function TreeRow({ depth, icon, label, note, count, current, open, onToggle, onPick }: TreeRowProps): ReactNode {
  return (
    <div
      className={cn(
        "flex h-7 items-center rounded-md hover:bg-hover",
        current && "bg-accent-weak hover:bg-accent-weak",
      )}
      style={{ paddingLeft: depth * 16 }}
    >
      {onToggle ? (
        <button
          type="button"
          aria-expanded={open === true}
          aria-label={`${open ? "Fold" : "Unfold"} ${label}`}
          onClick={onToggle}
          className="flex size-6 shrink-0 items-center justify-center rounded-sm text-ink-3 hover:text-ink"
        >
          {open ? <ChevronDown aria-hidden className="size-3.5" /> : <ChevronRight aria-hidden className="size-3.5" />}
        </button>
      ) : (
        <span className="w-6 shrink-0" />
      )}
      <button
        type="button"
        aria-current={current ? "true" : undefined}
        onClick={onPick}
        className="flex h-full min-w-0 grow items-center gap-2 rounded-sm pr-2 text-left"
      >
        {icon}
        <span className={cn("min-w-0 truncate", current && "font-medium text-accent-ink")} title={label}>
          {label}
        </span>
        {note ? <span className="shrink-0 text-2xs text-ink-3">{note}</span> : null}
        {count === undefined ? null : (
          <span className="ml-auto shrink-0 text-xs text-ink-3">{count.toLocaleString("en")}</span>
        )}
      </button>
    </div>
  );
}
