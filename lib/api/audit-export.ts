/** The trail as a file: CSV for spreadsheets, JSON for verifying. Its last line says that it is whole; docs/audit.md has the format. */
import type { AuditHead } from "#lib/audit/heads.ts";
import type { AuditEntry } from "#lib/domain/audit.ts";
import { AUDIT_COLUMNS, auditCsvLine, csvCell } from "./audit-csv.ts";

export type ExportFormat = "csv" | "json";

interface Trailer {
  readonly complete: true;
  readonly count: number;
  /** Of the last entry in the file; null when it has none. */
  readonly lastSeq: number | null;
  readonly lastHash: string | null;
  /** Signed with the public key that it holds. */
  readonly head: AuditHead | null;
}

/** What is gathered before it is sent, characters. */
const PIECE = 64 * 1024;

/** `headOf` signs the last entry's place. Its caller has checked every right; entries come by number. */
export async function* auditFile(
  format: ExportFormat,
  entries: AsyncIterable<AuditEntry>,
  headOf: (end: { seq: number; hash: string }) => AuditHead,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let text = format === "csv" ? `${AUDIT_COLUMNS.join(",")}\r\n` : '{"format":"supravisor-audit-1","entries":[';
  let count = 0;
  let last: AuditEntry | null = null;
  for await (const entry of entries) {
    text += format === "csv" ? auditCsvLine(entry) : `${count === 0 ? "" : ","}\n${JSON.stringify(entry)}`;
    count += 1;
    last = entry;
    if (text.length < PIECE) continue;
    yield encoder.encode(text);
    text = "";
  }
  const trailer: Trailer = {
    complete: true,
    count,
    lastSeq: last?.seq ?? null,
    lastHash: last?.hash ?? null,
    head: last === null ? null : headOf(last),
  };
  text += format === "csv" ? csvTrailer(trailer) : `\n],${JSON.stringify(trailer).slice(1)}\n`;
  yield encoder.encode(text);
}

/** A record like the others, with the same number of cells, whose number is `#end`. */
function csvTrailer(trailer: Trailer): string {
  const cells: Partial<Record<(typeof AUDIT_COLUMNS)[number], string>> = {
    seq: "#end",
    action: "complete",
    details: JSON.stringify(trailer),
  };
  return `${AUDIT_COLUMNS.map((column) => csvCell(cells[column] ?? null)).join(",")}\r\n`;
}
