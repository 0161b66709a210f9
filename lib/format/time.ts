/** Moments and durations for people. Moments come as ISO 8601 strings from the API. */

const SECOND = 1;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** "24 s", "3 min 20 s", "2 h 5 min", "3 d 4 h". Seconds in; never negative. */
export function formatDuration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return two(Math.floor(whole / MINUTE), "min", whole % MINUTE, "s");
  if (whole < DAY) return two(Math.floor(whole / HOUR), "h", Math.floor((whole % HOUR) / MINUTE), "min");
  return two(Math.floor(whole / DAY), "d", Math.floor((whole % DAY) / HOUR), "h");
}

function two(big: number, bigUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${big} ${bigUnit}` : `${big} ${bigUnit} ${small} ${smallUnit}`;
}

/** "24 s left"; null gives "time left not known yet". */
export function formatEta(seconds: number | null | undefined): string {
  return seconds === null || seconds === undefined ? "time left not known yet" : `${formatDuration(seconds)} left`;
}

/** "just now", "12 s ago", "5 min ago", "3 h ago", "4 d ago"; the future reads "in 5 min". */
export function formatAgo(iso: string | null | undefined, now: number = Date.now()): string {
  if (!iso) return "–";
  const seconds = Math.round((now - Date.parse(iso)) / 1000);
  if (!Number.isFinite(seconds)) return "–";
  const away = Math.abs(seconds);
  if (away < 5) return "just now";
  const words =
    away < MINUTE
      ? `${away} s`
      : away < HOUR
        ? `${Math.floor(away / MINUTE)} min`
        : away < DAY
          ? `${Math.floor(away / HOUR)} h`
          : `${Math.floor(away / DAY)} d`;
  return seconds < 0 ? `in ${words}` : `${words} ago`;
}

const pad = (value: number): string => String(value).padStart(2, "0");

/** "2026-11-23 14:05:09" in the reader's own time zone. Sorts as it reads. */
export function formatMoment(iso: string | null | undefined): string {
  if (!iso) return "–";
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return "–";
  const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  return `${day} ${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}

/** Seconds between two moments; an open end means until now. Null when it has not begun. */
export function secondsBetween(from: string | null, to: string | null, now: number = Date.now()): number | null {
  if (!from) return null;
  return ((to ? Date.parse(to) : now) - Date.parse(from)) / 1000;
}
