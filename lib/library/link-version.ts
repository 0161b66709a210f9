/** A version whose disks stay on their host: no job, no folder, nothing but rows. */
import { randomUUID } from "node:crypto";
import { and, eq, isNull, max, sql } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import type { Tx } from "#lib/db/client.ts";
import { imageDisks, images, imageVersions } from "#lib/db/schema.ts";
import type { HardwareHints, LinkedSource } from "#lib/domain/image.ts";
import type { VmDisk } from "#lib/domain/inventory.ts";
import type { Actor } from "#lib/services/context.ts";
import { findOrMakeImage } from "./create-version.ts";

export interface NewLink {
  readonly name: string;
  readonly source: LinkedSource;
  readonly hints: HardwareHints;
  /** In the order of `source.disks`. */
  readonly disks: readonly (Pick<VmDisk, "format" | "allocated"> & { readonly capacity: number })[];
}

export interface Linked {
  readonly imageId: string;
  readonly versionId: string;
}

/** The same disks of the same VM are linked once: an image of them is refreshed, whatever it is called by now. */
export async function linkVersion(tx: Tx, actor: Actor, link: NewLink): Promise<Linked> {
  // Two people at once: the second finds what the first has made.
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext(${`link ${link.source.hostId} ${link.source.vmRef}`}))`);
  const there = await findLink(tx, link.source);
  if (there !== null) {
    await tx.update(imageVersions).set({ source: link.source }).where(eq(imageVersions.id, there.versionId));
    await tx.delete(imageDisks).where(eq(imageDisks.versionId, there.versionId));
    await addDisks(tx, there.versionId, link);
    return there;
  }
  const image = await findOrMakeImage(tx, actor, { imageId: null, name: null, fallbackName: link.name });
  const [top] = await tx
    .select({ number: max(imageVersions.number) })
    .from(imageVersions)
    .where(eq(imageVersions.imageId, image.id));
  const number = (top?.number ?? 0) + 1;
  const versionId = randomUUID();
  await tx.insert(imageVersions).values({
    id: versionId,
    imageId: image.id,
    number,
    state: "ready",
    source: link.source,
    hints: link.hints,
    folder: versionId,
    createdBy: actor.id,
    createdByName: actor.name,
  });
  await addDisks(tx, versionId, link);
  await appendAudit(tx, actor, {
    action: "image.linked",
    subject: { kind: "image", id: image.id, name: image.name },
    details: { version: number, versionId, source: link.source },
  });
  return { imageId: image.id, versionId };
}

async function findLink(tx: Tx, { hostId, vmRef, disks }: LinkedSource): Promise<Linked | null> {
  const ids = JSON.stringify(disks.map(({ id }) => id));
  const rows = await tx
    .select({ imageId: images.id, versionId: imageVersions.id, source: imageVersions.source })
    .from(imageVersions)
    .innerJoin(images, eq(images.id, imageVersions.imageId))
    .where(
      and(
        eq(imageVersions.state, "ready"),
        isNull(imageVersions.removedAt),
        isNull(images.removedAt),
        sql`${imageVersions.source} ->> 'kind' = 'linked'`,
        sql`${imageVersions.source} ->> 'hostId' = ${hostId}`,
        sql`${imageVersions.source} ->> 'vmRef' = ${vmRef}`,
      ),
    );
  const same = rows.find(
    ({ source }) => source.kind === "linked" && JSON.stringify(source.disks.map(({ id }) => id)) === ids,
  );
  return same === undefined ? null : { imageId: same.imageId, versionId: same.versionId };
}

async function addDisks(tx: Tx, versionId: string, { disks }: NewLink): Promise<void> {
  await tx.insert(imageDisks).values(
    disks.map(({ format, capacity, allocated }, position) => ({
      versionId,
      position,
      files: [],
      format,
      virtualSize: capacity,
      storedSize: allocated,
      details: {},
      notes: [],
      sha256: [],
    })),
  );
}

/** The host is forgotten: what was on it can be read no more. Answers with the images that have changed. */
export async function failLinks(tx: Tx, host: { readonly id: string; readonly name: string }): Promise<string[]> {
  const rows = await tx
    .update(imageVersions)
    .set({
      state: "failed",
      error: {
        kind: "not-found",
        code: "host.removed",
        message: `${host.name}, which has the disks, was removed from Supravisor.`,
      },
    })
    .where(
      and(
        eq(imageVersions.state, "ready"),
        sql`${imageVersions.source} ->> 'kind' = 'linked'`,
        sql`${imageVersions.source} ->> 'hostId' = ${host.id}`,
      ),
    )
    .returning({ imageId: imageVersions.imageId });
  return [...new Set(rows.map(({ imageId }) => imageId))];
}
