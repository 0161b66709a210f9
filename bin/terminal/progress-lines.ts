import type { BarProgress } from "./progress-bar.ts";

const EVERY_MS = 500;

/** Progress for scripts: a JSON line on stderr twice a second, and one at the end. Rates are bytes a second. */
export function progressLines(write: (line: string) => void = (line) => void process.stderr.write(line)) {
  const started = Date.now();
  let last = 0;
  let ended = false;
  return {
    update({ done, total }: BarProgress): void {
      const now = Date.now();
      if (ended || (now - last < EVERY_MS && done < total)) return;
      last = now;
      ended = done >= total;
      const seconds = (now - started) / 1000;
      const rate = seconds > 0 ? Math.round(done / seconds) : 0;
      const secondsLeft = rate > 0 ? Math.ceil((total - done) / rate) : null;
      write(`${JSON.stringify({ progress: { done, total, rate, secondsLeft } })}\n`);
    },
    end(): void {
      ended = true;
    },
  };
}
