import { bigint, index, pgTable, text, timestamp, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { LibraryFault } from "#lib/domain/library-check.ts";
import { cleanText } from "./clean-columns.ts";

const at = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });

/** Where the library's files and the database did not agree when they were last compared. `settings` knows when that was. */
export const libraryFindings = pgTable(
  "library_findings",
  {
    id: uuid("id").primaryKey().defaultRandom(),
    fault: text("fault").$type<LibraryFault>().notNull(),
    /** Below the data folder: `library/<folder>/<file>`. */
    place: cleanText("place").notNull(),
    /** The version that is concerned; no reference, since the finding may be that there is none. */
    versionId: uuid("version_id"),
    /** Bytes; null: does not matter, or is not known. */
    expected: bigint("expected", { mode: "number" }),
    actual: bigint("actual", { mode: "number" }),
    firstSeenAt: at("first_seen_at").notNull(),
  },
  (t) => [
    uniqueIndex("library_findings_place").on(t.fault, t.place),
    index("library_findings_version").on(t.versionId),
  ],
);
