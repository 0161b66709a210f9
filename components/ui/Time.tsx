"use client";
import { useSyncExternalStore, type ReactNode } from "react";
import { formatAgo, formatMoment } from "#lib/format/time.ts";

/** One clock for all the times on the page, ticking only while something shows one. */
const listeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | null = null;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, 1_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0 && timer) {
      clearInterval(timer);
      timer = null;
    }
  };
}

/** Now, in milliseconds, renewed every second. */
export function useNow(): number {
  return useSyncExternalStore(
    subscribe,
    () => now,
    () => now,
  );
}

/** A moment as "5 min ago"; the exact one in its title. `exact` shows that instead. */
export function Time({ value, exact }: { value: string | null | undefined; exact?: boolean }): ReactNode {
  const current = useNow();
  if (!value) return <span>–</span>;
  const moment = formatMoment(value);
  return (
    <time dateTime={value} title={moment} className="whitespace-nowrap" suppressHydrationWarning>
      {exact ? moment : formatAgo(value, current)}
    </time>
  );
}
