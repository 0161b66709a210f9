"use client";
import { useState } from "react";
import type { Progress } from "#lib/domain/request.ts";

/** How many of the last rates are kept: about half a minute at the pace of the event stream. */
const KEPT = 120;

/** The rates of a running job since the page shows it, oldest first. */
export function useRateHistory(progress: Progress | null): readonly number[] {
  const [seen, setSeen] = useState<{ last: Progress | null; rates: readonly number[] }>({ last: null, rates: [] });
  // Set while rendering, as React allows for state that follows a prop: no frame shows the old line.
  if (seen.last !== progress) {
    const rate = progress?.rate ?? null;
    setSeen({ last: progress, rates: rate === null ? seen.rates : [...seen.rates, rate].slice(-KEPT) });
  }
  return seen.rates;
}
