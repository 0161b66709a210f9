import { boolean, index, integer, pgTable, primaryKey, text, timestamp, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { Role } from "#lib/domain/role.ts";

const at = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });

export const users = pgTable(
  "users",
  {
    id: uuid("id").primaryKey().defaultRandom(),
    /** Lower case. */
    email: text("email").notNull(),
    name: text("name").notNull(),
    role: text("role").$type<Role>().notNull(),
    /** argon2id; null for people who only come through single sign-on. */
    passwordHash: text("password_hash"),
    oidcSubject: text("oidc_subject"),
    disabled: boolean("disabled").notNull().default(false),
    lastSignInAt: at("last_sign_in_at"),
    createdAt: at("created_at").notNull().defaultNow(),
  },
  (t) => [uniqueIndex("users_email").on(t.email), uniqueIndex("users_oidc_subject").on(t.oidcSubject)],
);

export const apiTokens = pgTable(
  "api_tokens",
  {
    id: uuid("id").primaryKey().defaultRandom(),
    userId: uuid("user_id")
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    name: text("name").notNull(),
    /** Hex SHA-256 of the whole token; the token itself is shown once and never stored. */
    hash: text("hash").notNull(),
    prefix: text("prefix").notNull(),
    role: text("role").$type<Role>().notNull(),
    expiresAt: at("expires_at").notNull(),
    revokedAt: at("revoked_at"),
    lastUsedAt: at("last_used_at"),
    createdAt: at("created_at").notNull().defaultNow(),
  },
  (t) => [uniqueIndex("api_tokens_hash").on(t.hash), index("api_tokens_user").on(t.userId)],
);

/** Browser sessions. The cookie names one; whether it still counts is decided here. */
export const sessions = pgTable(
  "sessions",
  {
    id: uuid("id").primaryKey().defaultRandom(),
    userId: uuid("user_id")
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    how: text("how").$type<"password" | "oidc">().notNull(),
    address: text("address"),
    createdAt: at("created_at").notNull().defaultNow(),
    lastSeenAt: at("last_seen_at").notNull().defaultNow(),
    /** The absolute limit; being idle may end it sooner. */
    expiresAt: at("expires_at").notNull(),
    endedAt: at("ended_at"),
  },
  (t) => [index("sessions_user").on(t.userId)],
);

/** Where people signed in successfully: other people's wrong passwords do not keep them out from there. */
export const knownPlaces = pgTable(
  "known_places",
  {
    userId: uuid("user_id")
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    /** An IPv4 address, or the /64 of an IPv6 one. */
    place: text("place").notNull(),
    lastAt: at("last_at").notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.userId, t.place] })],
);

/** Failed tries, shared by all servers on one database. */
export const rateLimits = pgTable(
  "rate_limits",
  {
    key: text("key").primaryKey(),
    count: integer("count").notNull(),
    lastAt: at("last_at").notNull().defaultNow(),
    /** The next try is not looked at before. */
    notBefore: at("not_before").notNull().defaultNow(),
  },
  (t) => [index("rate_limits_last").on(t.lastAt)],
);
