/** How long to wait before the database is tried again. */

const FIRST_MS = 250;
const MOST_MS = 10_000;

/** Doubles up to ten seconds; the jitter keeps many processes behind one database from knocking at once. */
export function backoffMs(failures: number, random: () => number = Math.random): number {
  const full = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(failures, 10));
  return Math.round(full * (0.5 + random() / 2));
}
