/** The table that a bench prints: medians, ratios, bars and whether they are kept. */
import type { Run } from "./timed-program.ts";

export interface Row {
  readonly name: string;
  readonly ours: readonly Run[];
  readonly theirs: readonly Run[];
  /** Highest ratio ours / theirs of wall times that counts as kept; null where there is none. */
  readonly bar: number | null;
  /** Length or allocation of our file divided by theirs, where that is part of the bar. */
  readonly size?: number;
}

const WIDTHS = [38, 9, 9, 9, 9, 7, 7, 7, 8] as const;

export function printHead(theirs: string): void {
  printCells(["", "ours s", "cpu", `${theirs}`, "cpu", "ratio", "bar", "size", "verdict"]);
}

/** Prints the row at once; answers whether its bar is kept. */
export function printRow(row: Row): boolean {
  const [wall, cpu] = medians(row.ours);
  const [theirWall, theirCpu] = medians(row.theirs);
  const ratio = wall / theirWall;
  const kept = row.bar === null || ratio <= row.bar;
  printCells([
    row.name,
    seconds(wall),
    seconds(cpu),
    seconds(theirWall),
    seconds(theirCpu),
    ratio.toFixed(2),
    row.bar === null ? "" : row.bar.toFixed(2),
    row.size === undefined ? "" : row.size.toFixed(3),
    row.bar === null ? "" : kept ? "kept" : "MISSED",
  ]);
  return kept;
}

function medians(runs: readonly Run[]): [wall: number, cpu: number] {
  return [median(runs.map((run) => run.wall)), median(runs.map((run) => run.cpu))];
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

function printCells(cells: readonly string[]): void {
  const line = cells.map((cell, i) => (i === 0 ? cell.padEnd(WIDTHS[0]) : cell.padStart(WIDTHS[i] ?? 8)));
  process.stdout.write(`${line.join("").trimEnd()}\n`);
}
