import { printable } from "./printable.ts";

/** Lines of plain columns, two blanks apart; empty lists say so. */
export function table(head: readonly string[], given: readonly (readonly string[])[], none: string): string[] {
  if (given.length === 0) return [none];
  // Before they are measured.
  const rows = given.map((row) => row.map(printable));
  const widths = head.map((title, column) =>
    rows.reduce((width, row) => Math.max(width, (row[column] ?? "").length), title.length),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return [head, ...rows].map(line);
}
