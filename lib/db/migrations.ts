/** The schema of a database against the one of this release. */
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { readMigrationFiles } from "drizzle-orm/migrator";
import { AppError } from "#lib/errors.ts";
import type { Db } from "./client.ts";

export const migrationsFolder = join(import.meta.dirname, "..", "..", "drizzle");

export interface SchemaState {
  /** Nothing of Supravisor is in it. */
  readonly empty: boolean;
  /** Migrations of this release that it does not have yet. */
  readonly missing: number;
  /** Migrations that this release does not know: a newer one was here. */
  readonly unknown: number;
}

export async function schemaState(db: Pick<Db, "execute">): Promise<SchemaState> {
  const known = new Set(readMigrationFiles({ migrationsFolder }).map((migration) => migration.folderMillis));
  const [table] = await rowsOf<{ there: boolean }>(
    db,
    sql`select to_regclass('drizzle.__drizzle_migrations') is not null as there`,
  );
  const applied =
    table?.there === true
      ? await rowsOf<{ at: string }>(db, sql`select created_at::text as at from drizzle.__drizzle_migrations`)
      : [];
  const there = new Set(applied.map((row) => Number(row.at)));
  return {
    empty: there.size === 0,
    missing: [...known].filter((at) => !there.has(at)).length,
    unknown: [...there].filter((at) => !known.has(at)).length,
  };
}

/**
 * Throws `db.newer` for a database that a newer release has changed: this one would write what the other cannot read.
 * A worker changes no schema, so for it an older one is `db.older`, and an empty one `db.empty`.
 */
export function refuseOtherSchema(state: SchemaState, joins: boolean): void {
  if (state.unknown > 0) {
    throw new AppError("conflict", "db.newer", "The database was changed by a newer release of Supravisor.", {
      hint: "Start that release, or restore the backup that was made before the upgrade.",
      details: { unknown: state.unknown },
    });
  }
  if (!joins) return;
  if (state.empty) {
    throw new AppError("unprocessable", "db.empty", "The database that DATABASE_URL names is empty.", {
      hint: "Start the console on it before its workers, or correct DATABASE_URL.",
    });
  }
  if (state.missing > 0) {
    throw new AppError("conflict", "db.older", "The database belongs to an older release than this worker.", {
      hint: "Upgrade the console and start it first, or start a worker of its release.",
      details: { missing: state.missing },
    });
  }
}

async function rowsOf<T>(db: Pick<Db, "execute">, query: ReturnType<typeof sql>): Promise<T[]> {
  return ((await db.execute(query)) as unknown as { rows: T[] }).rows;
}
