/** A version whose disks stay on their host: no job, no folder, nothing but rows. */
import { randomUUID } from "node:crypto";
import { and, asc, desc, eq, isNull, max, sql } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { canonicalJson } from "#lib/audit/canonical.ts";
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

/**
 * The same disks of the same VM are one image, whatever it is called by now. A version is what requests were approved
 * for, and never changes: linking what it says already answers it; where the VM has changed there is a new version.
 */
export async function linkVersion(tx: Tx, actor: Actor, link: NewLink): Promise<Linked> {
  // Two people at once: the second finds what the first has made.
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext(${`link ${link.source.hostId} ${link.source.vmRef}`}))`);
  const there = await findLink(tx, link.source);
  if (there !== null && (await saysTheSame(tx, there, link))) return { imageId: there.imageId, versionId: there.id };
  const destination = { imageId: there?.imageId ?? null, name: null, fallbackName: link.name };
  const image = await findOrMakeImage(tx, actor, destination);
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
    details: {
      version: number,
      versionId,
      source: link.source,
      disks: link.disks.map(({ format, capacity }) => ({ format, virtualSize: capacity })),
      newImage: there === null,
    },
  });
  return { imageId: image.id, versionId };
}

type Version = typeof imageVersions.$inferSelect;

/** The newest version that links these disks. */
async function findLink(tx: Tx, { hostId, vmRef, disks }: LinkedSource): Promise<Version | null> {
  const ids = JSON.stringify(disks.map(({ id }) => id));
  const rows = await tx
    .select({ version: imageVersions })
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
    )
    .orderBy(desc(imageVersions.createdAt), desc(imageVersions.number));
  const same = rows.find(
    ({ version: { source } }) => source.kind === "linked" && JSON.stringify(source.disks.map(({ id }) => id)) === ids,
  );
  return same?.version ?? null;
}

/** Source and disks; what they take on their host changes with every write of the guest, and hints are a person's to edit. */
async function saysTheSame(tx: Tx, version: Version, { source, disks }: NewLink): Promise<boolean> {
  const rows = await tx
    .select({ format: imageDisks.format, capacity: imageDisks.virtualSize })
    .from(imageDisks)
    .where(eq(imageDisks.versionId, version.id))
    .orderBy(asc(imageDisks.position));
  const now = disks.map(({ format, capacity }) => ({ format, capacity }));
  return canonicalJson([version.source, rows]) === canonicalJson([source, now]);
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
