/** What is left of a request is asked for once: two clicks, or two people, do not make the same VMs twice. */
import { and, eq, ne } from "drizzle-orm";
import type { Db, Tx } from "#lib/db/client.ts";
import { requests } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";

type Retry = Pick<typeof requests.$inferSelect, "id" | "number">;

/** The request that asks for it again; one that was denied does not. */
export async function retryOf(db: Db, id: string): Promise<Retry | null> {
  const [row] = await db
    .select({ id: requests.id, number: requests.number })
    .from(requests)
    .where(and(eq(requests.retryOf, id), ne(requests.status, "denied")));
  return row ?? null;
}

export function retriedAlready({ id, number }: Retry): AppError {
  return new AppError("conflict", "request.retried", `Request ${number} asks for it again already.`, {
    hint: `Follow request ${number}. If it fails too, ask again from there.`,
    details: { requestId: id, number },
  });
}

/** Holds the request to the end of the transaction: others who ask again wait, and then find this one. Throws `request.retried`. */
export async function refuseSecondRetry(tx: Tx, id: string): Promise<void> {
  await tx.select({ id: requests.id }).from(requests).where(eq(requests.id, id)).for("update");
  const other = await retryOf(tx, id);
  if (other !== null) throw retriedAlready(other);
}
