/** What was tried and what got through. A row is one line of the table; a case that got through names itself. */

export interface Row {
  readonly room: string;
  readonly name: string;
  held: number;
  readonly through: string[];
  readonly skipped: string[];
}

export class RowTally {
  readonly row: Row;

  constructor(row: Row) {
    this.row = row;
  }

  /** One case: `ok` means that the console did what it should. */
  check(ok: boolean, what: string): void {
    if (ok) this.row.held += 1;
    else this.row.through.push(what);
  }

  skip(why: string): void {
    this.row.skipped.push(why);
  }
}

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const MOST_LISTED = 12;

export class Tally {
  readonly rows: Row[] = [];

  row(room: string, name: string): RowTally {
    const row: Row = { room, name, held: 0, through: [], skipped: [] };
    this.rows.push(row);
    return new RowTally(row);
  }

  totals(): Totals {
    const sum = (of: (row: Row) => number) => this.rows.reduce((total, row) => total + of(row), 0);
    return {
      passed: sum((row) => row.held),
      failed: sum((row) => row.through.length),
      skipped: sum((row) => row.skipped.length),
    };
  }

  table(): string {
    const width = Math.max(...this.rows.map((row) => row.room.length + row.name.length + 2), 10);
    const line = (what: string, tried: string, through: string, skipped: string) =>
      `${what.padEnd(width)}  ${tried.padStart(6)}  ${through.padStart(11)}  ${skipped.padStart(7)}\n`;
    return (
      line("what", "tried", "got through", "skipped") +
      this.rows
        .map((row) =>
          line(
            `${row.room}: ${row.name}`,
            String(row.held + row.through.length),
            String(row.through.length),
            String(row.skipped.length),
          ),
        )
        .join("")
    );
  }

  /** What got through and what could not be tried, by row. */
  list(): string {
    const part = (row: Row, title: string, items: readonly string[]) => {
      if (items.length === 0) return "";
      const more = items.length > MOST_LISTED ? [`… and ${items.length - MOST_LISTED} more`] : [];
      return `${title} ${row.room}: ${row.name}\n${[...items.slice(0, MOST_LISTED), ...more].map((item) => `    ${item}\n`).join("")}`;
    };
    return this.rows.map((row) => part(row, "GOT THROUGH", row.through) + part(row, "skipped", row.skipped)).join("");
  }
}
