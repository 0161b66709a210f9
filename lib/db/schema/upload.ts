import { bigint, index, integer, pgTable, text, timestamp, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { SourceFormatId } from "#lib/domain/disk-format.ts";

const at = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });

/** A file on its way in. How much is there is the size of the file `uploads/<id>` itself, never a column. */
export const uploads = pgTable(
  "uploads",
  {
    id: uuid("id").primaryKey().defaultRandom(),
    /** Only this person continues or ends it. */
    userId: uuid("user_id").notNull(),
    fileName: text("file_name").notNull(),
    size: bigint("size", { mode: "number" }).notNull(),
    imageId: uuid("image_id"),
    imageName: text("image_name"),
    saidFormat: text("said_format").$type<SourceFormatId>(),
    /** Files of one image that come apart: the version starts when `setSize` of them are whole. */
    setId: uuid("set_id"),
    setSize: integer("set_size"),
    /** receiving; whole: all bytes are there; filed: belongs to `versionId`, whose job moves the file. */
    state: text("state").$type<"receiving" | "whole" | "filed">().notNull().default("receiving"),
    versionId: uuid("version_id"),
    createdAt: at("created_at").notNull().defaultNow(),
  },
  (t) => [
    index("uploads_user").on(t.userId, t.state),
    index("uploads_version").on(t.versionId),
    uniqueIndex("uploads_set_file").on(t.userId, t.setId, t.fileName),
  ],
);
