import { isNull } from "drizzle-orm";
import { bigint, index, integer, jsonb, pgTable, text, timestamp, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import type { AllocationMap, GuestFacts } from "#lib/domain/guest.ts";
import type { HardwareHints, ImageSource } from "#lib/domain/image.ts";
import type { ErrorJson } from "#lib/errors.ts";
import { cleanJson, cleanText } from "./clean-columns.ts";

const at = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });

export const images = pgTable(
  "images",
  {
    id: uuid("id").primaryKey().defaultRandom(),
    name: text("name").notNull(),
    description: text("description").notNull().default(""),
    createdBy: uuid("created_by"),
    createdByName: text("created_by_name").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    /** Removed, but old requests still speak of it. Every list leaves it out; its name is free again. */
    removedAt: at("removed_at"),
  },
  (t) => [uniqueIndex("images_name").on(t.name).where(isNull(t.removedAt))],
);

export const imageVersions = pgTable(
  "image_versions",
  {
    id: uuid("id").primaryKey().defaultRandom(),
    imageId: uuid("image_id")
      .notNull()
      .references(() => images.id, { onDelete: "cascade" }),
    number: integer("number").notNull(),
    state: text("state").$type<"receiving" | "analysing" | "ready" | "failed">().notNull(),
    error: cleanJson("error").$type<ErrorJson>(),
    source: cleanJson("source").$type<ImageSource>().notNull(),
    /** Format that a person said (raw cannot be told by content). */
    saidFormat: text("said_format").$type<SourceFormatId>(),
    hints: jsonb("hints").$type<HardwareHints>().notNull(),
    /** Folder below the library, relative. All files of the version lie in it. */
    folder: text("folder").notNull(),
    jobId: uuid("job_id"),
    createdBy: uuid("created_by"),
    createdByName: text("created_by_name").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    /** Removed with its files, but old requests still speak of it; `state` is failed then. */
    removedAt: at("removed_at"),
  },
  (t) => [uniqueIndex("image_versions_number").on(t.imageId, t.number), index("image_versions_job").on(t.jobId)],
);

export const imageDisks = pgTable(
  "image_disks",
  {
    id: uuid("id").primaryKey().defaultRandom(),
    versionId: uuid("version_id")
      .notNull()
      .references(() => imageVersions.id, { onDelete: "cascade" }),
    position: integer("position").notNull(),
    /** Relative to the version's folder. Null: the disk stays on its host, and nobody has read it. */
    fileName: text("file_name"),
    /** The disk's name inside that file, when that is a package of a machine. */
    entry: cleanText("entry"),
    files: jsonb("files").$type<string[]>().notNull(),
    format: text("format").$type<SourceFormatId>(),
    variant: cleanText("variant"),
    virtualSize: bigint("virtual_size", { mode: "number" }).notNull(),
    storedSize: bigint("stored_size", { mode: "number" }),
    details: cleanJson("details").$type<Record<string, unknown>>().notNull(),
    notes: cleanJson("notes").$type<string[]>().notNull(),
    guest: cleanJson("guest").$type<GuestFacts>(),
    allocation: cleanJson("allocation").$type<AllocationMap>(),
    sha256: jsonb("sha256").$type<string[]>().notNull(),
    /** Bytes of each file, in the order of `files`; null: analysed before they were kept. */
    fileSizes: jsonb("file_sizes").$type<number[]>(),
    fingerprint: text("fingerprint"),
  },
  (t) => [uniqueIndex("image_disks_position").on(t.versionId, t.position)],
);
