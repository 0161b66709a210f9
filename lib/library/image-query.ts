/** Images with their versions and disks, as rows. */
import { and, asc, desc, eq, gt, ilike, inArray, isNull, or, sql } from "drizzle-orm";
import { z } from "zod";
import type { Db } from "#lib/db/client.ts";
import { pageCursor, readPageCursor } from "#lib/db/page-cursor.ts";
import { imageDisks, images, imageVersions } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import { faultsOf } from "./check/findings.ts";
import { imageNotFound } from "./create-version.ts";
import type { DiskRow } from "./disk-row.ts";

export type ImageRow = typeof images.$inferSelect;

export interface VersionWithDisks {
  readonly row: typeof imageVersions.$inferSelect;
  readonly disks: readonly DiskRow[];
  /** Why its files could not be read when they were last looked at. */
  readonly faults: readonly string[];
}

export interface ImageWithVersions {
  readonly row: ImageRow;
  /** Newest first; at least one. */
  readonly versions: readonly VersionWithDisks[];
}

/** Newest ready version, else the newest. */
export function latestOf<T extends { readonly row: { readonly state: string } }>(versions: readonly T[]): T {
  const latest = versions.find(({ row }) => row.state === "ready") ?? versions[0];
  if (latest === undefined) throw new AppError("internal", "image.no-version", "An image without a version.");
  return latest;
}

const LIST = "images";
const Place = z.tuple([z.string()]);

/** By name. Throws `list.bad-cursor`. */
export async function listImages(
  db: Db,
  query: { readonly q: string | null; readonly cursor: string | null; readonly limit: number },
): Promise<{ found: ImageWithVersions[]; next: string | null; total: number }> {
  const like =
    query.q === null || query.q.trim() === "" ? null : `%${query.q.trim().replace(/[\\%_]/g, (c) => `\\${c}`)}%`;
  const where = and(
    isNull(images.removedAt),
    like === null ? undefined : or(ilike(images.name, like), ilike(images.description, like)),
  );
  const place = readPageCursor(LIST, Place, query.cursor);
  const after = place === undefined ? undefined : gt(images.name, place[0]);
  const rows = await db
    .select()
    .from(images)
    .where(and(where, after))
    .orderBy(asc(images.name))
    .limit(query.limit + 1);
  const page = rows.slice(0, query.limit);
  const [count] = await db.select({ total: sql<number>`count(*)::int` }).from(images).where(where);
  const last = page.at(-1);
  return {
    found: await withVersions(db, page),
    next: rows.length > query.limit && last !== undefined ? pageCursor(LIST, [last.name]) : null,
    total: count?.total ?? 0,
  };
}

/** Throws `image.not-found`. */
export async function findImage(db: Db, id: string): Promise<ImageWithVersions> {
  const rows = await db
    .select()
    .from(images)
    .where(and(eq(images.id, id), isNull(images.removedAt)));
  const [image] = await withVersions(db, rows);
  if (image === undefined) throw imageNotFound();
  return image;
}

async function withVersions(db: Db, rows: readonly ImageRow[]): Promise<ImageWithVersions[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const versions = await db
    .select()
    .from(imageVersions)
    .where(and(inArray(imageVersions.imageId, ids), isNull(imageVersions.removedAt)))
    .orderBy(desc(imageVersions.number));
  const versionIds = versions.map(({ id }) => id);
  const disks =
    versionIds.length === 0
      ? []
      : await db
          .select()
          .from(imageDisks)
          .where(inArray(imageDisks.versionId, versionIds))
          .orderBy(asc(imageDisks.position));
  const faults = await faultsOf(db, versionIds);
  const disksOf = Map.groupBy(disks, (disk) => disk.versionId);
  const versionsOf = Map.groupBy(versions, (version) => version.imageId);
  return rows
    .map((row) => ({
      row,
      versions: (versionsOf.get(row.id) ?? []).map((version) => ({
        row: version,
        disks: disksOf.get(version.id) ?? [],
        faults: faults.get(version.id) ?? [],
      })),
    }))
    .filter(({ versions: own }) => own.length > 0);
}
