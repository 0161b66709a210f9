/** Changes of a version's state, with the ledger and the events that go with them. */
import { and, eq, inArray } from "drizzle-orm";
import type { Tx } from "#lib/db/client.ts";
import { imageDisks, images, imageVersions, ledger } from "#lib/db/schema.ts";
import type { HardwareHints } from "#lib/domain/image.ts";
import type { ErrorJson } from "#lib/errors.ts";
import type { Services } from "#lib/services/context.ts";
import type { Analysis } from "./analyse-files.ts";
import { folderRef } from "./create-version.ts";
import { openLibrary } from "./store.ts";

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
  await services.db.update(imageVersions).set({ state, error: null }).where(eq(imageVersions.id, version.id));
  services.events.publish({ type: "image", id: version.imageId });
}

/** The files belong to the version from now on. */
export async function keepFolder(tx: Tx, version: Pick<VersionRow, "folder">): Promise<void> {
  await tx
    .update(ledger)
    .set({ state: "kept", updatedAt: new Date() })
    .where(
      and(
        eq(ledger.kind, "file"),
        eq(ledger.ref, folderRef(version.folder)),
        inArray(ledger.state, ["planned", "made"]),
      ),
    );
}

export async function finishReady(
  services: Pick<Services, "db" | "events">,
  version: VersionRow,
  analysis: Analysis,
): Promise<void> {
  await services.db.transaction(async (tx) => {
    await tx.delete(imageDisks).where(eq(imageDisks.versionId, version.id));
    await tx.insert(imageDisks).values(
      analysis.disks.map(
        (
          { facts, fileName, entry, files, sha256, fileSizes, storedSize, guest, allocation, fingerprint },
          position,
        ) => ({
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
  });
  services.events.publish({ type: "image", id: version.imageId });
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

/** Failed, but its files are whole: they stay, so that they can be taken as raw or looked into. */
export async function finishFailed(
  services: Pick<Services, "db" | "events">,
  version: VersionRow,
  error: ErrorJson,
): Promise<void> {
  await services.db.transaction(async (tx) => {
    await tx.update(imageVersions).set({ state: "failed", error }).where(eq(imageVersions.id, version.id));
    await keepFolder(tx, version);
  });
  services.events.publish({ type: "image", id: version.imageId });
}

/** Failed before its files were whole: they go. */
export async function finishWithoutFiles(services: Services, version: VersionRow, error: ErrorJson): Promise<void> {
  await (await openLibrary(services)).remove(version.folder);
  await services.db.transaction(async (tx) => {
    await tx.update(imageVersions).set({ state: "failed", error }).where(eq(imageVersions.id, version.id));
    await tx
      .update(ledger)
      .set({ state: "removed", updatedAt: new Date() })
      .where(and(eq(ledger.kind, "file"), eq(ledger.ref, folderRef(version.folder))));
  });
  services.events.publish({ type: "image", id: version.imageId });
}
