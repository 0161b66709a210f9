/** Can this console do its work? Each question has a limit, so that a load balancer always gets an answer. */
import { statfs } from "node:fs/promises";
import { sql } from "drizzle-orm";
import { schemaState } from "#lib/db/migrations.ts";
import { databaseProblem } from "#lib/db/problem.ts";
import { settings } from "#lib/db/schema.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import type { Services } from "../context.ts";
import { within } from "./within.ts";

export interface ReadinessOptions {
  readonly driver: string;
  /** Is this process the console of its database? */
  readonly claim: () => "held" | "lost" | "taken";
}

export interface Readiness {
  readonly ready: boolean;
  readonly checks: {
    /** Takes writes. */
    readonly database: boolean;
    /** Has the tables of this release. */
    readonly schema: boolean;
    /** The data folder has space. */
    readonly disk: boolean;
    /** No other console has taken this one's place. */
    readonly console: boolean;
  };
  readonly notes: readonly string[];
}

const MOST_MS = 2000;
/** Strangers may ask: they do not make the database write more often than this. */
const FRESH_MS = 1000;
const LEAST_FREE = 64 * 1024 * 1024;

const recent = new WeakMap<Services["db"], { readonly at: number; readonly answer: Promise<Readiness> }>();

export function readReadiness(services: Services, options: ReadinessOptions): Promise<Readiness> {
  const known = recent.get(services.db);
  const now = performance.now();
  if (known !== undefined && now - known.at < FRESH_MS) return known.answer;
  const answer = ask(services, options);
  recent.set(services.db, { at: now, answer });
  return answer;
}

async function ask(services: Services, { claim }: ReadinessOptions): Promise<Readiness> {
  const notes: string[] = [];
  const check = async (work: Promise<unknown>, say: (error: unknown) => string): Promise<boolean> => {
    try {
      await within(MOST_MS, work);
      return true;
    } catch (error) {
      notes.push(say(error));
      return false;
    }
  };
  const [database, schema, disk] = await Promise.all([
    check(write(services), (error) => databaseProblem(error)?.error.message ?? "The database does not answer in time."),
    check(refuseOtherTables(services), (error) =>
      error instanceof OtherTables ? error.message : "The database's tables could not be looked at.",
    ),
    check(refuseFullFolder(services.dataDir), (error) =>
      error instanceof TooFull ? error.message : "The data folder cannot be read.",
    ),
  ]);
  if (claim() === "taken") notes.push("Another console has taken over this database: host sessions stand still here.");
  const checks = { database, schema, disk, console: claim() !== "taken" };
  return { ready: Object.values(checks).every(Boolean), checks, notes };
}

/** A value of its own: a database that is full or read-only answers every SELECT. */
async function write({ db }: Services): Promise<void> {
  const value = sql`to_jsonb(now())`;
  await db
    .insert(settings)
    .values({ key: "health-probe", value })
    .onConflictDoUpdate({ target: settings.key, set: { value } });
}

class OtherTables extends Error {}
class TooFull extends Error {}

async function refuseOtherTables({ db }: Services): Promise<void> {
  const state = await schemaState(db);
  if (state.unknown > 0) throw new OtherTables("A newer release of Supravisor has changed the database.");
  if (state.missing > 0) throw new OtherTables("The database has not the tables of this release.");
}

async function refuseFullFolder(folder: string): Promise<void> {
  const info = await statfs(folder);
  const free = info.bavail * info.bsize;
  if (free < LEAST_FREE) throw new TooFull(`The data folder has ${formatBytes(free)} of free space.`);
}
