/** One fact, two records: where a request and its jobs do not say the same, the job is right, and the trail says so. */
import { and, eq, exists, inArray, isNull, notExists, or, sql } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { SUPRAVISOR } from "#lib/audit/supravisor.ts";
import type { Tx } from "#lib/db/client.ts";
import { jobs, requests, requestTargets } from "#lib/db/schema.ts";
import { ENDED_JOB_STATES, isEnded } from "#lib/domain/job.ts";
import { AppError, errorToJson } from "#lib/errors.ts";
import { withoutResult } from "#lib/jobs/handler.ts";
import type { Services } from "#lib/services/context.ts";
import { settleRequest, settleTarget } from "./settle.ts";

type TargetRow = typeof requestTargets.$inferSelect;
type JobRow = typeof jobs.$inferSelect;

const OPEN_TARGETS = ["waiting", "running", "cancelling"] as const;
const DECIDED = ["approved", "running"] as const;

/** One round. Answers with how many requests were put right. */
export async function repairRequests(services: Services): Promise<number> {
  const { db } = services;
  const openTarget = and(eq(requestTargets.requestId, requests.id), inArray(requestTargets.status, [...OPEN_TARGETS]));
  const wrong = await db
    .select({ id: requests.id, number: requests.number, status: requests.status })
    .from(requests)
    .where(
      and(
        inArray(requests.status, [...DECIDED]),
        or(
          notExists(db.select({ one: sql`1` }).from(requestTargets).where(openTarget)),
          exists(
            db
              .select({ one: sql`1` })
              .from(requestTargets)
              .leftJoin(jobs, eq(jobs.id, requestTargets.jobId))
              .where(and(openTarget, or(isNull(jobs.id), inArray(jobs.state, [...ENDED_JOB_STATES])))),
          ),
        ),
      ),
    );
  let count = 0;
  for (const { id, number, status } of wrong) {
    const repaired = await db.transaction(async (tx) => {
      const targets = await tx.select().from(requestTargets).where(eq(requestTargets.requestId, id));
      const names: string[] = [];
      for (const target of targets) if (await settleByJob(tx, target)) names.push(target.choice.name);
      const changed = await settleRequest(tx, id);
      if (names.length === 0 && !changed) return false;
      await appendAudit(tx, SUPRAVISOR, {
        action: "request.repaired",
        subject: { kind: "request", id, name: `request ${number}` },
        details: { was: status, targets: names },
      });
      return true;
    });
    if (!repaired) continue;
    count += 1;
    services.log.warn({ requestId: id }, "a request was still open though its jobs had ended");
    services.events.publish({ type: "request", id });
    services.events.publish({ type: "audit" });
  }
  return count;
}

/** Ends an open target whose job has ended, or is not there. Answers whether there was anything to do. */
export async function settleByJob(tx: Tx, target: TargetRow): Promise<boolean> {
  if (!OPEN_TARGETS.some((open) => open === target.status)) return false;
  const [job] = target.jobId === null ? [] : await tx.select().from(jobs).where(eq(jobs.id, target.jobId));
  if (job !== undefined && !isEnded(job.state)) return false;
  await settleTarget(tx, target.id, outcomeOf(job));
  return true;
}

/** After a cancel: the target says what its job says. False: it did so before. */
export async function followJob(tx: Tx, target: TargetRow): Promise<boolean> {
  const [job] = target.jobId === null ? [] : await tx.select().from(jobs).where(eq(jobs.id, target.jobId));
  if (job === undefined || isEnded(job.state)) return settleByJob(tx, target);
  if (job.state !== "cancelling" || target.status === "cancelling") return false;
  return (await settleTarget(tx, target.id, { status: "cancelling" })) !== null;
}

function outcomeOf(job: JobRow | undefined): Parameters<typeof settleTarget>[2] {
  if (job === undefined) {
    const lost = new AppError("internal", "job.not-found", "The job of this target is not there any more.", {
      hint: "Was the database restored in parts? Look at the host for what was made, then ask again.",
    });
    return { status: "failed", error: errorToJson(lost) };
  }
  return {
    status: job.state === "cancelled" ? "cancelled" : "failed",
    error: job.error ?? errorToJson(withoutResult(job)),
  };
}
