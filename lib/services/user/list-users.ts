import { asc } from "drizzle-orm";
import { users } from "#lib/db/schema.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";

export async function listUsers(ctx: Ctx): Promise<(typeof users.$inferSelect)[]> {
  await authorise(ctx, "user.read");
  return ctx.db.select().from(users).orderBy(asc(users.name), asc(users.email));
}
