import { findImage, type ImageWithVersions, listImages as queryImages } from "#lib/library/image-query.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";

export async function listImages(ctx: Ctx, query: Parameters<typeof queryImages>[1]): ReturnType<typeof queryImages> {
  await authorise(ctx, "image.read");
  return queryImages(ctx.db, query);
}

/** Throws `image.not-found`. */
export async function getImage(ctx: Ctx, id: string): Promise<ImageWithVersions> {
  await authorise(ctx, "image.read");
  return findImage(ctx.db, id);
}
