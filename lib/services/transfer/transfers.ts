/** Disks of the library, given out in another format under a token that is good for one file. */
import { parse } from "node:path";
import { and, eq, inArray } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { recordRepeatable } from "#lib/audit/repeats.ts";
import type { Db } from "#lib/db/client.ts";
import { imageDisks, images, imageVersions, users } from "#lib/db/schema.ts";
import { openInspection } from "#lib/disk/file-conversion.ts";
import { may } from "#lib/domain/role.ts";
import type { NewTransfer } from "#lib/domain/transfer.ts";
import { AppError } from "#lib/errors.ts";
import { imageNotFound } from "#lib/library/create-version.ts";
import { locateVersion, openingOf } from "#lib/library/open-version.ts";
import { plainFile } from "#lib/library/plain-file.ts";
import type { Offer, OfferEnd, Offers } from "#lib/serve/offers.ts";
import { planVirtualFile } from "#lib/serve/virtual-file.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";

function owner(ctx: Ctx): string {
  if (ctx.actor.id === null)
    throw new AppError("forbidden", "auth.forbidden", "A transfer needs a person who makes it.");
  return ctx.actor.id;
}

const subjectOf = (offer: Offer) => ({ kind: "transfer", id: offer.id, name: offer.file.name }) as const;

/** Throws `image.not-found`, `image.not-ready`, `image.not-plannable`, `options.invalid`, `transfer.too-many`. */
export async function offerDisk(
  ctx: Ctx,
  offers: Offers,
  input: NewTransfer,
): Promise<{ offer: Offer; token: string }> {
  await authorise(ctx, "image.download", {
    action: "transfer.offered",
    subject: { kind: "transfer", id: null, name: `disk ${input.diskId}` },
  });
  const ownerId = owner(ctx);
  const [found] = await ctx.db
    .select({ imageId: images.id, imageName: images.name, versionId: imageVersions.id, number: imageVersions.number })
    .from(imageDisks)
    .innerJoin(imageVersions, eq(imageVersions.id, imageDisks.versionId))
    .innerJoin(images, eq(images.id, imageVersions.imageId))
    .where(eq(imageDisks.id, input.diskId));
  if (found?.imageId !== input.imageId || found.versionId !== input.versionId) throw imageNotFound();
  const disk = (await locateVersion(ctx, input.versionId)).disks.find(({ id }) => id === input.diskId);
  if (disk === undefined) throw imageNotFound();
  // What analysis found is what is opened: never guessed anew.
  const opened = await openInspection(disk.path, { ...openingOf(disk), guard: plainFile });
  const what = { image: found.imageName, version: found.number, disk: disk.position, format: input.format };
  let made: { offer: Offer; token: string };
  try {
    const file = await planVirtualFile({
      disk: opened.disk,
      name: `${parse(disk.fileName).name}${disk.position === 0 ? "" : `-${disk.position + 1}`}.${input.format}`,
      format: input.format,
      options: input.options,
    });
    made = offers.add({
      ownerId,
      file,
      milliseconds: input.minutes * 60_000,
      release: async () => opened[Symbol.asyncDispose](),
      onTake: (offer, address) => recordTaken(ctx, offer, address, what),
      onEnd: (offer, how) => void recordEnd(ctx, offer, how),
    });
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
  const { offer } = made;
  try {
    await ctx.db.transaction((tx) =>
      appendAudit(tx, ctx.actor, {
        action: "transfer.offered",
        subject: subjectOf(offer),
        details: {
          ...what,
          fingerprint: disk.fingerprint,
          length: offer.file.length,
          expiresAt: offer.expiresAt.toISOString(),
        },
      }),
    );
  } catch (error) {
    // What the trail does not know of is not given out.
    offers.withdraw(offer.id, ownerId);
    throw error;
  }
  ctx.events.publish({ type: "audit" });
  return made;
}

/** The token is all that is known of who takes; the entry is in the name of whose transfer it is. */
function recordTaken(ctx: Ctx, offer: Offer, address: string | null, what: Record<string, unknown>): Promise<void> {
  return recordRepeatable(
    ctx,
    { ...ctx.actor, via: "token", address },
    { action: "transfer.taken", subject: subjectOf(offer), details: { ...what, length: offer.file.length } },
  );
}

const ENDS = {
  delivered: "transfer.delivered",
  expired: "transfer.expired",
  withdrawn: "transfer.withdrawn",
  revoked: "transfer.withdrawn",
} as const;

async function recordEnd(ctx: Ctx, offer: Offer, how: OfferEnd): Promise<void> {
  try {
    await ctx.db.transaction((tx) =>
      appendAudit(tx, how === "withdrawn" ? ctx.actor : { ...ctx.actor, via: "system", address: null }, {
        action: ENDS[how],
        subject: subjectOf(offer),
        details: {
          delivered: offer.delivered,
          length: offer.file.length,
          takenFrom: [...offer.takenFrom],
          ...(how === "revoked" ? { why: "its owner may not take images out any more" } : {}),
        },
      }),
    );
    ctx.events.publish({ type: "audit" });
  } catch (error) {
    ctx.log.error({ err: error, transfer: offer.id }, "the end of a transfer could not be recorded");
  }
}

/** A token is as good as its owner's right: those of people who are disabled, or may not take images out any more, end. */
export async function revokeTransfers(db: Db, offers: Offers): Promise<void> {
  const owners = [...offers.owners()];
  if (owners.length === 0) return;
  const rows = await db
    .select({ id: users.id, role: users.role })
    .from(users)
    .where(and(inArray(users.id, owners), eq(users.disabled, false)));
  const still = new Set(rows.filter(({ role }) => may(role, "image.download")).map(({ id }) => id));
  for (const id of owners) if (!still.has(id)) offers.revoke(id);
}

export async function listOwnTransfers(ctx: Ctx, offers: Offers): Promise<Offer[]> {
  await authorise(ctx, "image.read");
  return offers.of(owner(ctx));
}

export async function withdrawTransfer(ctx: Ctx, offers: Offers, id: string): Promise<void> {
  // Whose right to take images out has ended may still end what they began.
  await authorise(ctx, "image.read");
  if (!offers.withdraw(id, owner(ctx)))
    throw new AppError("not-found", "transfer.not-found", "You have no such transfer; it may have ended already.");
}
