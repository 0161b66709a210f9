import { and, asc, count, desc, eq, inArray, lt, ne } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { z } from "zod";
import { pageCursor, readPageCursor } from "#lib/db/page-cursor.ts";
import { hosts, imageVersions, jobLog, jobs, requests, requestTargets, users } from "#lib/db/schema.ts";
import { type Allowed, canApprove, canDecide, canRetry } from "#lib/domain/request-rules.ts";
import type { RequestStatus } from "#lib/domain/request.ts";
import { AppError } from "#lib/errors.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";
import { everyHandOn } from "./independent-approver.ts";

export interface RequestTargetFacts {
  readonly target: typeof requestTargets.$inferSelect;
  readonly host: Pick<typeof hosts.$inferSelect, "name" | "vendor" | "simulated">;
  readonly job: Pick<typeof jobs.$inferSelect, "stages" | "progress"> | null;
}

export interface RequestFacts {
  readonly request: typeof requests.$inferSelect;
  readonly requesterName: string;
  readonly deciderName: string | null;
  readonly imageId: string;
  readonly versionNumber: number;
  readonly targets: readonly RequestTargetFacts[];
  /** By the person who reads. */
  readonly youMay: { readonly approve: Allowed; readonly deny: Allowed; readonly retry: Allowed };
}

export interface RequestFilter {
  readonly status?: RequestStatus | undefined;
  readonly mine: boolean;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

const LOG_LINES = 200;

async function facts(ctx: Ctx, ids: readonly string[]): Promise<RequestFacts[]> {
  if (ids.length === 0) return [];
  const requester = alias(users, "requester");
  const decider = alias(users, "decider");
  const rows = await ctx.db
    .select({
      request: requests,
      requesterName: requester.name,
      deciderName: decider.name,
      imageId: imageVersions.imageId,
      versionNumber: imageVersions.number,
    })
    .from(requests)
    .innerJoin(requester, eq(requester.id, requests.requesterId))
    .leftJoin(decider, eq(decider.id, requests.decidedBy))
    .innerJoin(imageVersions, eq(imageVersions.id, requests.imageVersionId))
    .where(inArray(requests.id, [...ids]))
    .orderBy(desc(requests.number));
  const targets = await ctx.db
    .select({
      target: requestTargets,
      host: { name: hosts.name, vendor: hosts.vendor, simulated: hosts.simulated },
      job: { stages: jobs.stages, progress: jobs.progress },
    })
    .from(requestTargets)
    .innerJoin(hosts, eq(hosts.id, requestTargets.hostId))
    .leftJoin(jobs, eq(jobs.id, requestTargets.jobId))
    .where(inArray(requestTargets.requestId, [...ids]))
    .orderBy(asc(requestTargets.position));
  const verdicts = await verdictsOn(
    ctx,
    rows.map(({ request }) => request),
  );
  return rows.map((row) => ({
    ...row,
    targets: targets.filter(({ target }) => target.requestId === row.request.id),
    youMay: verdicts(row.request),
  }));
}

type RequestRow = typeof requests.$inferSelect;

/** What decides is asked once for all of them, and only where it makes a difference. */
async function verdictsOn(
  ctx: Ctx,
  rows: readonly RequestRow[],
): Promise<(request: RequestRow) => RequestFacts["youMay"]> {
  const { actor, db } = ctx;
  const decidable = rows.some((request) => canDecide(request, actor) === true);
  const hands = decidable && actor.id !== null ? await everyHandOn(db, actor.id) : new Set<string>();
  const ended = rows.filter((request) => canRetry(request, actor) === true).map(({ id }) => id);
  const again =
    ended.length === 0
      ? []
      : await db
          .select({ of: requests.retryOf, number: requests.number })
          .from(requests)
          .where(and(inArray(requests.retryOf, ended), ne(requests.status, "denied")));
  const retriedAs = new Map(again.map(({ of, number }) => [of, number]));
  return (request) => ({
    approve: canApprove(request, actor, !hands.has(request.requesterId)),
    deny: canDecide(request, actor),
    retry: canRetry(request, actor, retriedAs.get(request.id) ?? null),
  });
}

const LIST = "requests";
const Place = z.tuple([z.number().int().positive()]);

/** Newest first. Throws `list.bad-cursor`. */
export async function listRequests(
  ctx: Ctx,
  filter: RequestFilter,
): Promise<{ rows: RequestFacts[]; next: string | null; total: number }> {
  await authorise(ctx, "request.read");
  const where = and(
    filter.status === undefined ? undefined : eq(requests.status, filter.status),
    filter.mine && ctx.actor.id !== null ? eq(requests.requesterId, ctx.actor.id) : undefined,
  );
  const place = readPageCursor(LIST, Place, filter.cursor);
  const found = await ctx.db
    .select({ id: requests.id, number: requests.number })
    .from(requests)
    .where(and(where, place === undefined ? undefined : lt(requests.number, place[0])))
    .orderBy(desc(requests.number))
    .limit(filter.limit + 1);
  const [total] = await ctx.db.select({ n: count() }).from(requests).where(where);
  const page = found.slice(0, filter.limit);
  return {
    rows: await facts(
      ctx,
      page.map((row) => row.id),
    ),
    next: found.length > filter.limit ? pageCursor(LIST, [page.at(-1)?.number ?? 0]) : null,
    total: total?.n ?? 0,
  };
}

/** Throws `request.not-found`. */
export async function getRequest(ctx: Ctx, id: string): Promise<RequestFacts> {
  await authorise(ctx, "request.read");
  const [row] = await facts(ctx, [id]);
  if (row === undefined) throw new AppError("not-found", "request.not-found", "There is no such request.");
  return row;
}

/** The last lines of each target's job, by target. */
export async function requestLogs(
  ctx: Ctx,
  request: RequestFacts,
): Promise<Map<string, (typeof jobLog.$inferSelect)[]>> {
  const logs = new Map<string, (typeof jobLog.$inferSelect)[]>();
  for (const { target } of request.targets) {
    if (target.jobId === null) continue;
    const newest = await ctx.db
      .select()
      .from(jobLog)
      .where(eq(jobLog.jobId, target.jobId))
      .orderBy(desc(jobLog.seq))
      .limit(LOG_LINES);
    logs.set(target.id, newest.reverse());
  }
  return logs;
}
