/** Bytes a second for people. Decimal units, as disks and networks are sold. */

const UNITS = ["B/s", "kB/s", "MB/s", "GB/s"] as const;

/** "212 MB/s"; null (not known yet) gives a dash. */
export function formatRate(bytesPerSecond: number | null | undefined): string {
  if (bytesPerSecond === null || bytesPerSecond === undefined || !Number.isFinite(bytesPerSecond)) return "–";
  let unit = 0;
  let value = bytesPerSecond;
  while (unit < UNITS.length - 1 && Math.round(value) >= 1000) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? "B/s"}`;
}
