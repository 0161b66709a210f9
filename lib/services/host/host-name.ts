import { and, eq, isNull, ne } from "drizzle-orm";
import type { Tx } from "#lib/db/client.ts";
import { hosts } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";

/** Throws `host.name-taken` (conflict). The unique index settles a race; this gives the words. */
export async function requireFreeHostName(tx: Tx, name: string, exceptId?: string): Promise<void> {
  const [other] = await tx
    .select({ id: hosts.id })
    .from(hosts)
    .where(
      and(eq(hosts.name, name), isNull(hosts.removedAt), exceptId === undefined ? undefined : ne(hosts.id, exceptId)),
    );
  if (other !== undefined) throw hostNameTaken(name);
}

export function hostNameTaken(name: string): AppError {
  return new AppError("conflict", "host.name-taken", `There is a host named ${name} already.`, {
    hint: "Choose another name.",
  });
}
