import { isNull } from "drizzle-orm";
import { boolean, index, jsonb, pgTable, primaryKey, text, timestamp, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { HostConnection } from "#lib/domain/connection.ts";
import type { Vendor } from "#lib/domain/hardware.ts";
import type { InventoryItem, InventoryKind } from "#lib/domain/inventory.ts";
import type { ErrorJson } from "#lib/errors.ts";
import { cleanJson, cleanText } from "./clean-columns.ts";

const at = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });

export const hosts = pgTable(
  "hosts",
  {
    id: uuid("id").primaryKey().defaultRandom(),
    name: text("name").notNull(),
    vendor: text("vendor").$type<Vendor>().notNull(),
    simulated: boolean("simulated").notNull().default(false),
    connection: jsonb("connection").$type<HostConnection>().notNull(),
    /** AES-256-GCM box of the JSON secret, bound to the host's id (lib/secrets). Null: no secret. */
    secretBox: text("secret_box"),
    secretNames: jsonb("secret_names").$type<string[]>().notNull().default([]),
    state: text("state").$type<"connecting" | "online" | "offline">().notNull().default("connecting"),
    error: cleanJson("error").$type<ErrorJson>(),
    staleSince: at("stale_since"),
    capabilities: cleanJson("capabilities").$type<HostCapabilities>(),
    createdBy: uuid("created_by"),
    createdAt: at("created_at").notNull().defaultNow(),
    updatedAt: at("updated_at").notNull().defaultNow(),
    /** Removed, but old requests still speak of it: no secret, no inventory, in no list; its name is free again. */
    removedAt: at("removed_at"),
  },
  (t) => [uniqueIndex("hosts_name").on(t.name).where(isNull(t.removedAt))],
);

/** One row a thing on a host, as the adapter last told it. */
export const inventoryItems = pgTable(
  "inventory_items",
  {
    hostId: uuid("host_id")
      .notNull()
      .references(() => hosts.id, { onDelete: "cascade" }),
    kind: text("kind").$type<InventoryKind>().notNull(),
    ref: cleanText("ref").notNull(),
    name: cleanText("name").notNull(),
    /** VMs: power state, for filters; null for the rest. */
    state: text("state"),
    data: cleanJson("data").$type<InventoryItem>().notNull(),
    updatedAt: at("updated_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.hostId, t.kind, t.ref] }),
    index("inventory_items_kind_name").on(t.kind, t.name, t.hostId, t.ref),
    index("inventory_items_kind_state").on(t.kind, t.state),
  ],
);
