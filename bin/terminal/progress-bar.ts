import { formatBytes } from "#lib/format/bytes.ts";
import { printable } from "./printable.ts";

export interface BarProgress {
  /** Bytes settled so far, and all of them. */
  readonly done: number;
  readonly total: number;
}

/** A bar on a terminal, a line each ten percent elsewhere. Writes to stderr only. */
export function progressBar(name: string, stream: NodeJS.WriteStream = process.stderr) {
  const label = printable(name);
  const started = Date.now();
  let lastDrawn = 0;
  let lastTenth = -1;
  return {
    update({ done, total }: BarProgress): void {
      const share = total === 0 ? 1 : done / total;
      const now = Date.now();
      const seconds = (now - started) / 1000;
      const rate = seconds > 0 ? done / seconds : 0;
      if (stream.isTTY) {
        if (now - lastDrawn < 100 && done < total) return;
        lastDrawn = now;
        const width = 28;
        const full = Math.round(share * width);
        const left = rate > 0 ? Math.ceil((total - done) / rate) : null;
        stream.write(
          `\r\x1b[K${label} [${"█".repeat(full)}${"·".repeat(width - full)}] ${(share * 100).toFixed(0).padStart(3)} %  ` +
            `${formatBytes(done)} of ${formatBytes(total)}  ${formatBytes(rate)}/s${left === null ? "" : `  ${left} s left`}`,
        );
        return;
      }
      const tenth = Math.floor(share * 10);
      if (tenth === lastTenth) return;
      lastTenth = tenth;
      stream.write(
        `${label} ${(tenth * 10).toFixed(0)} % ${formatBytes(done)} of ${formatBytes(total)} ${formatBytes(rate)}/s\n`,
      );
    },
    end(): void {
      if (stream.isTTY) stream.write("\r\x1b[K");
    },
  };
}
