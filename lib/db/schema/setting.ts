import { jsonb, pgTable, text } from "drizzle-orm/pg-core";

/** `settings`: lib/domain/settings.ts as one JSON value; `library`: identity of the image library's folder. */
export const settings = pgTable("settings", {
  key: text("key").primaryKey(),
  value: jsonb("value").$type<unknown>().notNull(),
});
