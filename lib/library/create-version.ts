/** A new version of an image, with the job that fills it and the folder that it will own. */
import { randomUUID } from "node:crypto";
import { and, eq, isNull, max } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import type { Tx } from "#lib/db/client.ts";
import { images, imageVersions, ledger } from "#lib/db/schema.ts";
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import type { HardwareHints, ImageSource } from "#lib/domain/image.ts";
import type { JobKind } from "#lib/domain/job.ts";
import { AppError } from "#lib/errors.ts";
import type { JobQueue } from "#lib/jobs/queue.ts";
import type { Actor } from "#lib/services/context.ts";
import { imageNameFrom } from "./file-names.ts";

export const NO_HINTS: HardwareHints = { cpus: null, memory: null, firmware: null, bus: null, nic: null };

export interface Destination {
  /** A new version of this image, */
  readonly imageId: string | null;
  /** or a new image of this name, */
  readonly name: string | null;
  /** or one named after where it comes from, with a number behind when that is taken. */
  readonly fallbackName: string;
}

export interface NewVersion {
  readonly destination: Destination;
  readonly source: ImageSource;
  readonly saidFormat: SourceFormatId | null;
  readonly state: "receiving" | "analysing";
  readonly hints?: HardwareHints;
  /** `input`: identifiers only; a secret in it is sealed. */
  readonly job: {
    readonly kind: JobKind;
    readonly verb: string;
    readonly input: (versionId: string) => Record<string, unknown>;
    /** The host that has the disks. */
    readonly hostId?: string;
  };
}

export interface VersionStarted {
  readonly imageId: string;
  readonly imageName: string;
  readonly versionId: string;
  readonly jobId: string;
}

/** Ledger entry of a version's folder. */
export const folderRef = (folder: string): string => `library/${folder}`;

/** Throws `image.not-found`, `image.name-taken`. Nothing is on the disk yet: the job makes the folder. */
export async function createVersion(
  tx: Tx,
  services: { readonly jobs: JobQueue },
  actor: Actor,
  input: NewVersion,
): Promise<VersionStarted> {
  const image = await findOrMakeImage(tx, actor, input.destination);
  const [top] = await tx
    .select({ number: max(imageVersions.number) })
    .from(imageVersions)
    .where(eq(imageVersions.imageId, image.id));
  const number = (top?.number ?? 0) + 1;
  const versionId = randomUUID();
  const jobId = await services.jobs.enqueue(tx, {
    kind: input.job.kind,
    title: `${input.job.verb} ${image.name} v${number}`,
    subject: { kind: "image", id: image.id },
    input: { ...input.job.input(versionId), versionId },
    ...(input.job.hostId === undefined ? {} : { hostId: input.job.hostId }),
    actor,
  });
  await tx.insert(imageVersions).values({
    id: versionId,
    imageId: image.id,
    number,
    state: input.state,
    source: input.source,
    saidFormat: input.saidFormat,
    hints: input.hints ?? NO_HINTS,
    folder: versionId,
    jobId,
    createdBy: actor.id,
    createdByName: actor.name,
  });
  // Entered before the folder exists, so that a crash at any point leaves its name behind.
  await tx
    .insert(ledger)
    .values({ jobId, kind: "file", ref: folderRef(versionId), label: `Files of ${image.name} v${number}` });
  await appendAudit(tx, actor, {
    action: "image.version-added",
    subject: { kind: "image", id: image.id, name: image.name },
    details: { version: number, versionId, source: input.source, newImage: number === 1 },
  });
  return { imageId: image.id, imageName: image.name, versionId, jobId };
}

export async function findOrMakeImage(tx: Tx, actor: Actor, to: Destination): Promise<{ id: string; name: string }> {
  if (to.imageId !== null) {
    // The row's lock puts versions that are made at once one after the other, so that each gets its own number.
    const [image] = await tx
      .select({ id: images.id, name: images.name })
      .from(images)
      .where(and(eq(images.id, to.imageId), isNull(images.removedAt)))
      .for("update");
    if (image === undefined) throw imageNotFound();
    return image;
  }
  const wanted = to.name ?? imageNameFrom(to.fallbackName);
  for (let attempt = 1; attempt <= 1000; attempt++) {
    const name = attempt === 1 ? wanted : `${wanted} (${attempt})`;
    const [image] = await tx
      .insert(images)
      .values({ name, createdBy: actor.id, createdByName: actor.name })
      .onConflictDoNothing()
      .returning({ id: images.id, name: images.name });
    if (image !== undefined) return image;
    if (to.name !== null) throw imageNameTaken(to.name);
  }
  throw imageNameTaken(wanted);
}

export function imageNotFound(): AppError {
  return new AppError("not-found", "image.not-found", "There is no such image.", {
    hint: "It may have been removed in the meantime.",
  });
}

export function imageNameTaken(name: string): AppError {
  return new AppError("conflict", "image.name-taken", `There is an image named ${name} already.`, {
    hint: "Choose another name, or add a version to that image.",
  });
}

/** What `createVersion` would refuse, before a person sends gigabytes. */
export async function checkDestination(tx: Tx, to: Pick<Destination, "imageId" | "name">): Promise<void> {
  if (to.imageId !== null) {
    const [image] = await tx
      .select({ id: images.id })
      .from(images)
      .where(and(eq(images.id, to.imageId), isNull(images.removedAt)));
    if (image === undefined) throw imageNotFound();
  } else if (to.name !== null) {
    const [image] = await tx
      .select({ id: images.id })
      .from(images)
      .where(and(eq(images.name, to.name), isNull(images.removedAt)));
    if (image !== undefined) throw imageNameTaken(to.name);
  }
}
