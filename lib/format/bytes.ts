/** Amounts of bytes for people: binary units, at most one decimal, the same width for neighbours in a column. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

function unitOf(bytes: number): number {
  let unit = 0;
  // Rounding first keeps 1023.97 KiB from being shown as "1024 KiB".
  while (unit < UNITS.length - 1 && Math.round((bytes / 1024 ** unit) * 10) / 10 >= 1024) unit += 1;
  return unit;
}

function inUnit(bytes: number, unit: number): string {
  const value = bytes / 1024 ** unit;
  return unit === 0 || value >= 99.95 ? String(Math.round(value)) : value.toFixed(1);
}

/** "8.0 GiB", "512 B"; null and undefined give a dash. */
export function formatBytes(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined || !Number.isFinite(bytes)) return "–";
  const unit = unitOf(bytes);
  return `${inUnit(bytes, unit)} ${UNITS[unit] ?? "B"}`;
}

/** "3.1 of 8.0 GiB": both in the unit of the whole. */
export function formatBytesOf(done: number, total: number): string {
  const unit = unitOf(total);
  return `${inUnit(done, unit)} of ${inUnit(total, unit)} ${UNITS[unit] ?? "B"}`;
}

/** Share as a whole percent that says 100 only when all is done, and 0 only when nothing is. */
export function formatPercent(part: number, whole: number): string {
  if (whole <= 0) return "–";
  const percent = (part / whole) * 100;
  if (percent >= 100) return "100 %";
  if (percent > 0 && percent < 1) return "1 %";
  return `${Math.min(99, Math.round(percent))} %`;
}
