/** Findings of the last comparison, as rows. */
import { asc, eq, inArray, sql } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { images, imageVersions, libraryFindings, settings } from "#lib/db/schema.ts";
import { BREAKS_VERSION, type LibraryCheck } from "#lib/domain/library-check.ts";
import { type Comparison, compareLibrary } from "./compare.ts";
import { type Fault, faultWords } from "./fault-words.ts";
import { ADVISORY_LOCKS } from "#lib/db/advisory-locks.ts";

const KEY = "library-check";

interface LastCheck {
  readonly checkedAt: string;
  readonly versions: number;
  readonly files: number;
}

/** Null: never. */
export async function lastCheck(db: Db): Promise<LastCheck | null> {
  const [row] = await db.select().from(settings).where(eq(settings.key, KEY));
  return (row?.value as LastCheck | undefined) ?? null;
}

/** Compares and keeps what was found; what was found before keeps the time at which it was first seen. */
export async function checkLibrary(services: { readonly db: Db; readonly dataDir: string }): Promise<void> {
  const found = await compareLibrary(services);
  await services.db.transaction(async (tx) => {
    // Two that compare at once end one after the other.
    await tx.execute(sql`select pg_advisory_xact_lock(${ADVISORY_LOCKS.libraryCheck})`);
    await keep(tx, found, new Date());
  });
}

/** Compares and answers; nothing is kept, so that it works beside a console and without one. */
export async function inspectLibrary(services: { readonly db: Db; readonly dataDir: string }): Promise<LibraryCheck> {
  const { versions, files, faults } = await compareLibrary(services);
  const now = new Date();
  const last = { checkedAt: now.toISOString(), versions, files };
  return inWords(services.db, last, await withFirstSeen(services.db, faults, now));
}

type Finding = Fault & { readonly firstSeenAt: Date };

async function withFirstSeen(db: Db, faults: readonly Fault[], now: Date): Promise<Finding[]> {
  const keyOf = (row: { fault: string; place: string }) => `${row.fault}\0${row.place}`;
  const before = await db.select().from(libraryFindings);
  const firstSeen = new Map(before.map((row) => [keyOf(row), row.firstSeenAt]));
  return faults.map((fault) => ({ ...fault, firstSeenAt: firstSeen.get(keyOf(fault)) ?? now }));
}

async function keep(tx: Db, { versions, files, faults }: Comparison, now: Date): Promise<void> {
  const found = await withFirstSeen(tx, faults, now);
  await tx.delete(libraryFindings);
  // Names that differ only by what a database cannot keep are one place.
  for (const finding of found) await tx.insert(libraryFindings).values(finding).onConflictDoNothing();
  const value: LastCheck = { checkedAt: now.toISOString(), versions, files };
  await tx.insert(settings).values({ key: KEY, value }).onConflictDoUpdate({ target: settings.key, set: { value } });
}

/** As it was last kept. */
export async function readCheck(db: Db): Promise<LibraryCheck> {
  const rows = await db.select().from(libraryFindings).orderBy(asc(libraryFindings.place));
  return inWords(db, await lastCheck(db), rows);
}

async function inWords(db: Db, last: LastCheck | null, found: readonly Finding[]): Promise<LibraryCheck> {
  const ids = [...new Set(found.flatMap(({ versionId }) => versionId ?? []))];
  const owners =
    ids.length === 0
      ? []
      : await db
          .select({ id: imageVersions.id, number: imageVersions.number, imageId: images.id, imageName: images.name })
          .from(imageVersions)
          .innerJoin(images, eq(images.id, imageVersions.imageId))
          .where(inArray(imageVersions.id, ids));
  const owner = new Map(owners.map((each) => [each.id, each]));
  return {
    checkedAt: last?.checkedAt ?? null,
    versions: last?.versions ?? 0,
    files: last?.files ?? 0,
    findings: found.map((finding) => ({
      fault: finding.fault,
      message: `${faultWords(finding)}.`,
      place: finding.place,
      version: owner.get(finding.versionId ?? "") ?? null,
      expected: finding.expected,
      actual: finding.actual,
      firstSeenAt: finding.firstSeenAt.toISOString(),
    })),
  };
}

/** Version → what keeps it from being deployed, in words. */
export async function faultsOf(db: Db, versionIds: readonly string[]): Promise<Map<string, string[]>> {
  const faults = new Map<string, string[]>();
  if (versionIds.length === 0) return faults;
  const rows = await db
    .select()
    .from(libraryFindings)
    .where(inArray(libraryFindings.versionId, [...versionIds]))
    .orderBy(asc(libraryFindings.place));
  for (const row of rows) {
    if (row.versionId === null || !BREAKS_VERSION.has(row.fault)) continue;
    faults.set(row.versionId, [...(faults.get(row.versionId) ?? []), `${faultWords(row)}.`]);
  }
  return faults;
}
