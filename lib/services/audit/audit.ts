import { and, asc, count, desc, eq, gt, gte, ilike, lt, lte, max, or, type SQL } from "drizzle-orm";
import { z } from "zod";
import { appendAudit } from "#lib/audit/append.ts";
import type { AuditRow } from "#lib/audit/entry.ts";
import { readHeads, signHead, type AuditHead } from "#lib/audit/heads.ts";
import { auditKeysOf } from "#lib/audit/keys.ts";
import { verifyAudit } from "#lib/audit/verify.ts";
import { pageCursor, readPageCursor } from "#lib/db/page-cursor.ts";
import { auditEntries } from "#lib/db/schema.ts";
import type { AuditVerdict } from "#lib/domain/audit.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";

export interface AuditFilter {
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  readonly subjectKind?: string | undefined;
  readonly subjectId?: string | undefined;
  readonly result?: AuditRow["result"] | undefined;
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
  readonly q?: string | undefined;
}

const like = (text: string) => `%${text.replace(/[\\%_]/g, "\\$&")}%`;

function condition(filter: AuditFilter): SQL | undefined {
  return and(
    filter.actor === undefined
      ? undefined
      : or(eq(auditEntries.actorId, filter.actor), ilike(auditEntries.actorName, like(filter.actor))),
    filter.action === undefined ? undefined : ilike(auditEntries.action, like(filter.action)),
    filter.subjectKind === undefined ? undefined : eq(auditEntries.subjectKind, filter.subjectKind),
    filter.subjectId === undefined ? undefined : eq(auditEntries.subjectId, filter.subjectId),
    filter.result === undefined ? undefined : eq(auditEntries.result, filter.result),
    filter.from === undefined ? undefined : gte(auditEntries.at, filter.from),
    filter.to === undefined ? undefined : lte(auditEntries.at, filter.to),
    filter.q === undefined
      ? undefined
      : or(
          ilike(auditEntries.subjectName, like(filter.q)),
          ilike(auditEntries.actorName, like(filter.q)),
          ilike(auditEntries.action, like(filter.q)),
        ),
  );
}

const LIST = "audit";
const Place = z.tuple([z.number().int().positive()]);

/** By number, the newest first. Throws `list.bad-cursor`. */
export async function listAudit(
  ctx: Ctx,
  filter: AuditFilter,
  page: { cursor?: string | undefined; limit: number },
): Promise<{ rows: AuditRow[]; next: string | null; total: number }> {
  await authorise(ctx, "audit.read");
  const where = condition(filter);
  const place = readPageCursor(LIST, Place, page.cursor);
  const rows = await ctx.db
    .select()
    .from(auditEntries)
    .where(and(where, place === undefined ? undefined : lt(auditEntries.seq, place[0])))
    .orderBy(desc(auditEntries.seq))
    .limit(page.limit + 1);
  const [total] = await ctx.db.select({ n: count() }).from(auditEntries).where(where);
  const shown = rows.slice(0, page.limit);
  return {
    rows: shown,
    next: rows.length > page.limit ? pageCursor(LIST, [shown.at(-1)?.seq ?? 0]) : null,
    total: total?.n ?? 0,
  };
}

const BATCH = 500;

/**
 * Every entry that fits and is there now, the oldest first, read in batches so that a long trail needs no memory. That
 * it is read is written to the trail before this returns, and so is not part of it.
 */
export async function exportAudit(ctx: Ctx, filter: AuditFilter, format: string): Promise<AsyncGenerator<AuditRow>> {
  await authorise(ctx, "audit.read");
  const [end] = await ctx.db.select({ seq: max(auditEntries.seq) }).from(auditEntries);
  const where = and(condition(filter), lte(auditEntries.seq, end?.seq ?? 0));
  const after = (seq: number): Promise<AuditRow[]> =>
    ctx.db
      .select()
      .from(auditEntries)
      .where(and(where, gt(auditEntries.seq, seq)))
      .orderBy(asc(auditEntries.seq))
      .limit(BATCH);
  // Before the first byte: what is wrong with the filter is an answer then, not a file that breaks off.
  const first = await after(0);
  await ctx.db.transaction((tx) =>
    appendAudit(tx, ctx.actor, {
      action: "audit.exported",
      subject: { kind: "audit", id: null, name: "audit trail" },
      details: { format, filter, upTo: end?.seq ?? 0 },
    }),
  );
  ctx.events.publish({ type: "audit" });
  return (async function* () {
    for (let rows = first; ; rows = await after(rows.at(-1)?.seq ?? 0)) {
      yield* rows;
      if (rows.length < BATCH) return;
    }
  })();
}

/** What an export ends with: anybody can check it with the installation's public key. */
export function signedHead(ctx: Ctx, end: { readonly seq: number; readonly hash: string }): AuditHead {
  return signHead(auditKeysOf(ctx.db), end);
}

export async function checkAudit(ctx: Ctx): Promise<AuditVerdict> {
  await authorise(ctx, "audit.read");
  const verdict = await verifyAudit(ctx.db, await readHeads(ctx.dataDir));
  const { ok, entries, head, problems } = verdict;
  await ctx.db.transaction((tx) =>
    appendAudit(tx, ctx.actor, {
      action: "audit.verified",
      subject: { kind: "audit", id: null, name: "audit trail" },
      details: { ok, entries, head, problems },
    }),
  );
  ctx.events.publish({ type: "audit" });
  return verdict;
}
