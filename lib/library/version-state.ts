/** Changes of a version's state, with the ledger that goes with them. */
import { and, eq, inArray, isNull, sql } from "drizzle-orm";
import type { Db, Tx } from "#lib/db/client.ts";
import { imageDisks, images, imageVersions, ledger } from "#lib/db/schema.ts";
import type { HardwareHints } from "#lib/domain/image.ts";
import type { JobEnd, JobRow } from "#lib/jobs/handler.ts";
import { patiently } from "#lib/jobs/patience.ts";
import type { Services } from "#lib/services/context.ts";
import type { Analysis } from "./analyse-files.ts";
import { folderRef } from "./create-version.ts";

export type VersionRow = typeof imageVersions.$inferSelect;

export interface VersionAtWork {
  readonly version: VersionRow;
  readonly imageName: string;
}

/** Null: removed in the meantime, and there is nothing to do. */
export async function loadVersion(services: Pick<Services, "db">, versionId: string): Promise<VersionAtWork | null> {
  const [row] = await services.db
    .select({ version: imageVersions, imageName: images.name })
    .from(imageVersions)
    .innerJoin(images, eq(images.id, imageVersions.imageId))
    .where(eq(imageVersions.id, versionId));
  return row === undefined || row.version.removedAt !== null ? null : row;
}

export async function setState(
  services: Pick<Services, "db" | "events">,
  version: VersionRow,
  state: "receiving" | "analysing",
): Promise<void> {
  await patiently(() =>
    services.db.update(imageVersions).set({ state, error: null }).where(eq(imageVersions.id, version.id)),
  );
  services.events.publish({ type: "image", id: version.imageId });
}

/** The files belong to the version from now on. */
export async function keepFolder(tx: Tx, version: Pick<VersionRow, "folder">): Promise<void> {
  await tx
    .update(ledger)
    .set({ state: "kept", updatedAt: sql`now()` })
    .where(
      and(
        eq(ledger.kind, "file"),
        eq(ledger.ref, folderRef(version.folder)),
        inArray(ledger.state, ["planned", "made"]),
      ),
    );
}

/** Before the folder is made again: an attempt before this one may have removed it. */
export async function claimFolder(db: Db, version: Pick<VersionRow, "folder">): Promise<void> {
  await db
    .update(ledger)
    .set({ state: "planned", updatedAt: sql`now()` })
    .where(and(eq(ledger.kind, "file"), eq(ledger.ref, folderRef(version.folder)), eq(ledger.state, "removed")));
}

/** The folder is gone. */
export async function dropFolder(db: Db, version: Pick<VersionRow, "folder">): Promise<void> {
  await db
    .update(ledger)
    .set({ state: "removed", updatedAt: sql`now()` })
    .where(and(eq(ledger.kind, "file"), eq(ledger.ref, folderRef(version.folder))));
}

/**
 * In the transaction that ends the version's job. Files that are whole stay also when analysis failed, so that they can
 * be taken as raw or looked into; whatever is left of others goes by the ledger. Answers whether anything was open.
 */
export async function endVersion(tx: Tx, job: JobRow, end: JobEnd<Analysis | null>): Promise<boolean> {
  const [version] = await tx
    .select()
    .from(imageVersions)
    .where(
      and(
        eq(imageVersions.id, String(job.input["versionId"])),
        eq(imageVersions.jobId, job.id),
        inArray(imageVersions.state, ["receiving", "analysing"]),
        isNull(imageVersions.removedAt),
      ),
    )
    .for("update");
  if (version === undefined) return false;
  if (end.state === "succeeded") {
    if (end.result === null) return false;
    await becomeReady(tx, version, end.result);
  } else {
    await tx.update(imageVersions).set({ state: "failed", error: end.error }).where(eq(imageVersions.id, version.id));
    if (job.kind === "image.analyse" || version.state === "analysing") await keepFolder(tx, version);
  }
  return true;
}

async function becomeReady(tx: Tx, version: VersionRow, analysis: Analysis): Promise<void> {
  await tx.delete(imageDisks).where(eq(imageDisks.versionId, version.id));
  await tx.insert(imageDisks).values(
    analysis.disks.map(
      ({ facts, fileName, entry, files, sha256, fileSizes, storedSize, guest, allocation, fingerprint }, position) => ({
        versionId: version.id,
        position,
        fileName,
        entry,
        files: [...files],
        format: facts.format,
        variant: facts.variant,
        virtualSize: facts.virtualSize,
        storedSize,
        details: { ...facts.details },
        notes: [...facts.notes],
        guest,
        allocation,
        sha256: [...sha256],
        fileSizes: [...fileSizes],
        fingerprint,
      }),
    ),
  );
  await tx
    .update(imageVersions)
    .set({ state: "ready", error: null, hints: withFound(version.hints, analysis) })
    .where(eq(imageVersions.id, version.id));
  await keepFolder(tx, version);
}

/**
 * What the package's description tells, then what the disk that boots tells, fills what nobody said. A disk that boots
 * both ways leaves the choice open.
 */
function withFound(hints: HardwareHints, { disks, hints: described }: Analysis): HardwareHints {
  const boots = disks.map(({ guest }) => guest.boots).find(({ bios, uefi }) => bios || uefi);
  const found =
    boots === undefined || boots.bios === boots.uefi ? null : boots.uefi ? ("uefi" as const) : ("bios" as const);
  return {
    cpus: hints.cpus ?? described?.cpus ?? null,
    memory: hints.memory ?? described?.memory ?? null,
    firmware: hints.firmware ?? described?.firmware ?? found,
    bus: hints.bus ?? described?.bus ?? null,
    nic: hints.nic ?? described?.nic ?? null,
  };
}
