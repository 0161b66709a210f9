/** Removes what ended jobs could not remove themselves: their host was away. Goes by the ledger alone. */
import { and, eq, inArray } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { SUPRAVISOR } from "#lib/audit/supravisor.ts";
import { hosts, jobs } from "#lib/db/schema.ts";
import { withHost } from "#lib/inventory/sessions.ts";
import type { Services } from "#lib/services/context.ts";
import { allOpenEntries, undoEntries } from "./ledger.ts";

const EVERY_MS = 60_000;
const HOST_MS = 60_000;

/** One round. Answers with how many things were removed. */
export async function sweepOnce(services: Services): Promise<number> {
  const { db } = services;
  const open = await allOpenEntries(db);
  if (open.length === 0) return 0;
  // A job that runs or will run again cares for its own.
  const ended = await db
    .select({ id: jobs.id })
    .from(jobs)
    .where(
      and(
        inArray(jobs.id, [...new Set(open.map((entry) => entry.jobId))]),
        inArray(jobs.state, ["failed", "cancelled", "succeeded"]),
      ),
    );
  const over = new Set(ended.map((job) => job.id));
  let count = 0;
  for (const hostId of new Set(open.map((entry) => entry.hostId))) {
    if (hostId === null) continue;
    const entries = open.filter((entry) => entry.hostId === hostId && over.has(entry.jobId)).reverse();
    const [host] = await db.select({ name: hosts.name, state: hosts.state }).from(hosts).where(eq(hosts.id, hostId));
    if (entries.length === 0 || host?.state !== "online") continue;
    try {
      const signal = AbortSignal.timeout(HOST_MS);
      const { removed } = await withHost(
        services,
        hostId,
        (adapter) => undoEntries(db, entries, adapter, signal),
        signal,
      );
      for (const entry of removed) {
        await db.transaction((tx) =>
          appendAudit(tx, SUPRAVISOR, {
            action: "ledger.swept",
            subject: { kind: "host", id: hostId, name: host.name },
            details: { jobId: entry.jobId, kind: entry.kind, ref: entry.ref },
          }),
        );
      }
      count += removed.length;
    } catch (error) {
      services.log.warn({ err: error, hostId }, "sweeping a host failed; it is tried again");
    }
  }
  return count;
}

export function startSweep(services: Services): { close(): Promise<void> } {
  let round: Promise<unknown> = Promise.resolve();
  let waiting = false;
  // One after another; wishes that come while one waits are granted by that one.
  const run = (): void => {
    if (waiting) return;
    waiting = true;
    round = round.then(async () => {
      waiting = false;
      await sweepOnce(services).catch((error: unknown) => services.log.error({ err: error }, "sweep failed"));
    });
  };
  const timer = setInterval(run, EVERY_MS);
  // A host that is back says so; what was left on it need not wait for the next round.
  const unsubscribe = services.events.subscribe((event) => {
    if (event.type === "host") run();
  });
  run();
  return {
    async close() {
      clearInterval(timer);
      unsubscribe();
      await round;
    },
  };
}
