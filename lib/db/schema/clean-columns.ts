/**
 * Columns for what peers, images and errors say: cleaned on their way in of what Postgres cannot keep, NUL and halves of
 * surrogate pairs. What people type goes into plain columns: they are told that it cannot be stored.
 */
import { customType } from "drizzle-orm/pg-core";

const storableText = (text: string): string => text.replaceAll("\0", "").toWellFormed();

/** The same JSON, keys and all, that Postgres can keep. */
function storableJson(value: unknown): unknown {
  if (typeof value === "string") return storableText(value);
  if (Array.isArray(value)) return value.map(storableJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [storableText(key), storableJson(each)]));
}

export const cleanText = customType<{ data: string; driverData: string }>({
  dataType: () => "text",
  toDriver: storableText,
});

export const cleanJson = customType<{ data: unknown; driverData: unknown }>({
  dataType: () => "jsonb",
  // Through JSON first: dates and undefined become what they are there.
  toDriver: (value) => JSON.stringify(storableJson(JSON.parse(JSON.stringify(value)))),
  fromDriver: (value) => (typeof value === "string" ? parsed(value) : value),
});

/** Drivers give JSON parsed; one that is asked to leave it as text gives that. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
