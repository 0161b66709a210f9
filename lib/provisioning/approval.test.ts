import { randomUUID } from "node:crypto";
import { eq, sql } from "drizzle-orm";
import { afterAll, beforeAll, expect, it } from "vitest";
import { appendAudit, hashEntry } from "#lib/audit/append.ts";
import type { AuditAction } from "#lib/domain/audit-actions.ts";
import { auditEntries } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { isApproved } from "./approval.ts";

let services: TestServices;
const actor = { id: null, name: "Ada", role: "operator", via: "web", address: null } as const;
const PLAN = "a".repeat(64);
const OTHER = "b".repeat(64);

beforeAll(async () => {
  services = await testServices();
});
afterAll(async () => services.close());

function told(id: string, action: AuditAction, planHash: string, result: "ok" | "refused" = "ok"): Promise<void> {
  const subject = { kind: "request", id, name: "request 1" } as const;
  return services.db.transaction((tx) => appendAudit(tx, actor, { action, subject, result, details: { planHash } }));
}

it("is what the trail says of this very plan", async () => {
  const id = randomUUID();
  await told(id, "request.created", PLAN);
  expect(await isApproved(services.db, id, PLAN)).toBe(false);
  await told(id, "request.approved", PLAN, "refused");
  expect(await isApproved(services.db, id, PLAN)).toBe(false);
  await told(randomUUID(), "request.approved", PLAN);
  expect(await isApproved(services.db, id, PLAN)).toBe(false);
  await told(id, "request.approved", PLAN);
  expect(await isApproved(services.db, id, PLAN)).toBe(true);
  expect(await isApproved(services.db, id, OTHER)).toBe(false);
  const waived = randomUUID();
  await told(waived, "request.approval-waived", PLAN);
  expect(await isApproved(services.db, waived, PLAN)).toBe(true);
});

it("is nothing when the entry was altered, with or without a new hash", async () => {
  const id = randomUUID();
  await told(id, "request.approved", PLAN);
  await told(randomUUID(), "request.created", PLAN);
  const { db } = services;
  const where = eq(auditEntries.subjectId, id);
  await db.execute(sql`alter table audit_entries disable trigger user`);
  const [row] = await db
    .update(auditEntries)
    .set({ details: { planHash: OTHER } })
    .where(where)
    .returning();
  expect(await isApproved(db, id, OTHER)).toBe(false);
  if (row === undefined) throw new Error("no entry");
  const { hash: _, ...entry } = row;
  await db
    .update(auditEntries)
    .set({ hash: hashEntry(entry) })
    .where(where);
  // Its own hash fits now, but not what the next entry says of it.
  expect(await isApproved(db, id, OTHER)).toBe(false);
});
