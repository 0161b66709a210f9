import type { ReactNode } from "react";
import { cn } from "./cn.ts";

/**
 * A state as shape, colour and word: never colour alone.
 * run ▶ · on ● · off ■ · wait ◌ · busy ◐ · warn ▲ · bad ✕ · done ✓ · unknown ?
 */
export type StateKind = "run" | "on" | "off" | "paused" | "wait" | "busy" | "warn" | "bad" | "done" | "unknown";

const COLOUR: Record<StateKind, string> = {
  run: "text-ok",
  on: "text-ok",
  done: "text-ok",
  off: "text-ink-3",
  paused: "text-warn",
  wait: "text-ink-3",
  busy: "text-accent-ink",
  warn: "text-warn",
  bad: "text-bad",
  unknown: "text-ink-3",
};

const SHAPE: Record<StateKind, ReactNode> = {
  run: <path d="M3.5 2v8l6.5-4z" fill="currentColor" />,
  on: <circle cx="6" cy="6" r="3.5" fill="currentColor" />,
  off: <rect x="3" y="3" width="6" height="6" rx="0.5" fill="currentColor" />,
  paused: <path d="M3.5 3h2v6h-2zM6.5 3h2v6h-2z" fill="currentColor" />,
  wait: <circle cx="6" cy="6" r="3.75" fill="none" stroke="currentColor" strokeWidth="1.5" strokeDasharray="2 2" />,
  busy: (
    <>
      <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" strokeWidth="1.5" />
      <path d="M6 2a4 4 0 0 1 0 8z" fill="currentColor" />
    </>
  ),
  warn: <path d="M6 1.5 11 10.5H1z" fill="currentColor" />,
  bad: <path d="m3 3 6 6M9 3l-6 6" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />,
  done: (
    <path
      d="m2.5 6.5 2.5 2.5 4.5-5.5"
      fill="none"
      stroke="currentColor"
      strokeWidth="2"
      strokeLinecap="round"
      strokeLinejoin="round"
    />
  ),
  unknown: <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" strokeWidth="1.5" />,
};

export interface StateMarkProps {
  state: StateKind;
  /** The word. */
  children: ReactNode;
  /** The word is for screen readers only: where the same word stands beside the mark already, as in a tree. */
  markOnly?: boolean;
  className?: string;
}

export function StateMark({ state, children, markOnly, className }: StateMarkProps): ReactNode {
  return (
    <span className={cn("inline-flex min-w-0 items-center gap-1.5 align-top whitespace-nowrap", className)}>
      <svg aria-hidden viewBox="0 0 12 12" className={cn("size-3 shrink-0", COLOUR[state])}>
        {SHAPE[state]}
      </svg>
      <span className={markOnly ? "sr-only" : "truncate"}>{children}</span>
    </span>
  );
}
