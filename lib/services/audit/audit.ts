import { and, count, desc, eq, gte, ilike, lt, lte, or, type SQL } from "drizzle-orm";
import { verifyAudit, type AuditVerdict } from "#lib/audit/verify.ts";
import { auditEntries } from "#lib/db/schema.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";

type AuditRow = typeof auditEntries.$inferSelect;

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

/** Newest first; the cursor is the number of the last entry seen. */
export async function listAudit(
  ctx: Ctx,
  filter: AuditFilter,
  page: { cursor?: string | undefined; limit: number },
): Promise<{ rows: AuditRow[]; next: string | null; total: number }> {
  await authorise(ctx, "audit.read");
  const where = condition(filter);
  const before = Number(page.cursor);
  const rows = await ctx.db
    .select()
    .from(auditEntries)
    .where(and(where, Number.isSafeInteger(before) && before > 0 ? lt(auditEntries.seq, before) : undefined))
    .orderBy(desc(auditEntries.seq))
    .limit(page.limit + 1);
  const [total] = await ctx.db.select({ n: count() }).from(auditEntries).where(where);
  const shown = rows.slice(0, page.limit);
  return { rows: shown, next: rows.length > page.limit ? String(shown.at(-1)?.seq ?? "") : null, total: total?.n ?? 0 };
}

const BATCH = 500;

/** Every entry that fits, newest first, read in batches so that a long trail needs no memory. */
export async function* exportAudit(ctx: Ctx, filter: AuditFilter): AsyncGenerator<AuditRow> {
  await authorise(ctx, "audit.read");
  const where = condition(filter);
  let before: number | undefined;
  for (;;) {
    const rows = await ctx.db
      .select()
      .from(auditEntries)
      .where(and(where, before === undefined ? undefined : lt(auditEntries.seq, before)))
      .orderBy(desc(auditEntries.seq))
      .limit(BATCH);
    yield* rows;
    before = rows.at(-1)?.seq;
    if (before === undefined || rows.length < BATCH) return;
  }
}

export async function checkAudit(ctx: Ctx): Promise<AuditVerdict> {
  await authorise(ctx, "audit.read");
  return verifyAudit(ctx.db);
}
