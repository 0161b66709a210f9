/** Bytes and time of a deploy before it runs, from what earlier ones to the same host took. */
import { and, desc, eq, isNotNull } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { requestTargets } from "#lib/db/schema.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { Estimate } from "#lib/domain/request.ts";

const EARLIER = 8;
/** Bytes a second, until this host has shown its own: a Gigabit link, less what conversion costs. */
const FIRST_GUESS = 80e6;
/** Reading back for the receipt goes over the same wire. */
const FIXED_SECONDS = 3;
/** Room for tables and headers of any format. */
const METADATA = 2 * 1024 ** 2;

/** What the disks will take in a pool: data, the format's own tables, and nothing for holes. Null: nobody knows. */
export function storedBytes(dataBytes: number | null, virtualSize: number, format: DiskFormatId): number | null {
  if (dataBytes === null) return null;
  return dataBytes + (format === "raw" ? 0 : METADATA + Math.ceil(virtualSize / 4096));
}

export async function estimateDeploy(
  db: Db,
  input: { hostId: string; dataBytes: number | null; virtualSize: number },
): Promise<Estimate> {
  // Of what nobody has read it can be all.
  const bytes = input.dataBytes ?? input.virtualSize;
  const rows = await db
    .select({ receipt: requestTargets.receipt })
    .from(requestTargets)
    .where(
      and(
        eq(requestTargets.hostId, input.hostId),
        eq(requestTargets.status, "succeeded"),
        isNotNull(requestTargets.receipt),
      ),
    )
    .orderBy(desc(requestTargets.finishedAt))
    .limit(EARLIER);
  const rates = rows
    .flatMap(({ receipt }) =>
      receipt !== null && receipt.seconds > 0.5 && receipt.bytesMoved > 1024 ** 2
        ? [receipt.bytesMoved / receipt.seconds]
        : [],
    )
    .sort((a, b) => a - b);
  const median = rates[Math.floor(rates.length / 2)];
  const slowest = rates[0];
  const seconds = FIXED_SECONDS + bytes / (median ?? FIRST_GUESS);
  return {
    bytesToMove: bytes,
    fileLength: null,
    seconds: Math.round(seconds * 10) / 10,
    error:
      Math.round((slowest === undefined ? seconds / 2 : Math.max(1, FIXED_SECONDS + bytes / slowest - seconds)) * 10) /
      10,
    basis: [
      rates.length === 0
        ? "no deploy to this host yet"
        : rates.length === 1
          ? "one earlier deploy to this host"
          : `${rates.length} earlier deploys to this host`,
      ...(input.dataBytes === null ? ["the host of the disks does not tell how much of them is data"] : []),
    ].join("; "),
  };
}
