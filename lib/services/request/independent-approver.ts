/**
 * Four eyes want two people. An administrator can make an account, or set its password, and approve with it what they
 * asked for themselves. The trail knows who did what to an account, so it is asked.
 */
import { and, asc, eq, inArray } from "drizzle-orm";
import type { Tx } from "#lib/db/client.ts";
import { auditEntries } from "#lib/db/schema.ts";
import { COOLING_OFF_DAYS } from "#lib/domain/request-rules.ts";

const COOLING_OFF_MS = COOLING_OFF_DAYS * 86_400_000;

/** Those who could act through the account: who set its password last, and who made or changed it of late. */
async function handsOn(tx: Tx, userId: string, now: number): Promise<Set<string>> {
  const entries = await tx
    .select({
      at: auditEntries.at,
      actorId: auditEntries.actorId,
      action: auditEntries.action,
      details: auditEntries.details,
    })
    .from(auditEntries)
    .where(
      and(
        eq(auditEntries.subjectKind, "user"),
        eq(auditEntries.subjectId, userId),
        inArray(auditEntries.action, ["user.created", "user.changed"]),
        eq(auditEntries.result, "ok"),
      ),
    )
    .orderBy(asc(auditEntries.seq));
  const hands = new Set<string>();
  let passwordBy: string | null = null;
  for (const { at, actorId, action, details } of entries) {
    const setsPassword = action === "user.created" || "password" in details;
    if (setsPassword) passwordBy = actorId;
    const gives = setsPassword || "role" in details || details["disabled"] === false;
    if (actorId !== null && gives && now - at.getTime() < COOLING_OFF_MS) hands.add(actorId);
  }
  if (passwordBy !== null) hands.add(passwordBy);
  hands.delete(userId);
  return hands;
}

/** Everybody who, alone or through accounts in their hands, could be the one who approves with this account. */
export async function everyHandOn(tx: Tx, approverId: string): Promise<ReadonlySet<string>> {
  const now = Date.now();
  const seen = new Set<string>([approverId]);
  for (const id of seen) {
    // A set is walked to its end, what was added while walking included.
    for (const hand of await handsOn(tx, id, now)) seen.add(hand);
  }
  seen.delete(approverId);
  return seen;
}

/** Whether the requester could be the one who approves. */
export async function isInHandsOf(tx: Tx, approverId: string, requesterId: string): Promise<boolean> {
  return (await everyHandOn(tx, approverId)).has(requesterId);
}
