/** The places that people signed in from successfully. Others' failed tries do not slow them down there. */
import { isIPv6, SocketAddress } from "node:net";
import { and, desc, eq, notInArray } from "drizzle-orm";
import type { Db, Tx } from "#lib/db/client.ts";
import { knownPlaces, users } from "#lib/db/schema.ts";

const MOST_PLACES = 30;

/** One household or office is one place: an IPv4 address, or the /64 that an IPv6 host chooses its addresses from. */
export function placeOf(address: string | null): string {
  if (address === null) return "unknown";
  if (!isIPv6(address)) return address;
  const [head = "", tail] = new SocketAddress({ address, family: "ipv6" }).address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const all =
    tail === undefined
      ? left
      : [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0"), ...right];
  return `${all.slice(0, 4).join(":")}::/64`;
}

export async function isKnownPlace(db: Db, email: string, place: string): Promise<boolean> {
  const [row] = await db
    .select({ place: knownPlaces.place })
    .from(knownPlaces)
    .innerJoin(users, eq(users.id, knownPlaces.userId))
    .where(and(eq(users.email, email), eq(knownPlaces.place, place)));
  return row !== undefined;
}

export async function rememberPlace(tx: Tx, userId: string, place: string): Promise<void> {
  await tx
    .insert(knownPlaces)
    .values({ userId, place })
    .onConflictDoUpdate({ target: [knownPlaces.userId, knownPlaces.place], set: { lastAt: new Date() } });
  const newest = tx
    .select({ place: knownPlaces.place })
    .from(knownPlaces)
    .where(eq(knownPlaces.userId, userId))
    .orderBy(desc(knownPlaces.lastAt))
    .limit(MOST_PLACES);
  await tx.delete(knownPlaces).where(and(eq(knownPlaces.userId, userId), notInArray(knownPlaces.place, newest)));
}
