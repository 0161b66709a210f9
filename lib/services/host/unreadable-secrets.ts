import { and, asc, isNotNull, isNull } from "drizzle-orm";
import { hosts } from "#lib/db/schema.ts";
import { openSecret } from "#lib/inventory/host-access.ts";
import type { Services } from "../context.ts";

/** Names of the hosts whose stored secret the key at hand does not open: somebody has to enter it again. */
export async function hostsWithUnreadableSecret({ db, secrets }: Pick<Services, "db" | "secrets">): Promise<string[]> {
  const rows = await db
    .select()
    .from(hosts)
    .where(and(isNotNull(hosts.secretBox), isNull(hosts.removedAt)))
    .orderBy(asc(hosts.name));
  const readable = (row: (typeof rows)[number]): boolean => {
    try {
      openSecret(secrets, row);
      return true;
    } catch {
      return false;
    }
  };
  return rows.filter((row) => !readable(row)).map((row) => row.name);
}
