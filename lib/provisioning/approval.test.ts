import { randomUUID } from "node:crypto";
import { desc, eq, sql } from "drizzle-orm";
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

it("is nothing that somebody inserted who can write to the database", async () => {
  const id = randomUUID();
  const { db } = services;
  await told(id, "request.created", PLAN);
  const [last] = await db.select().from(auditEntries).orderBy(desc(auditEntries.seq)).limit(1);
  if (last === undefined) throw new Error("no entry");
  const forged = { ...last, seq: last.seq + 1, prevHash: last.hash, action: "request.approved" };
  // No trigger is in the way of an insert, and a hash is nothing secret.
  for (const entry of [forged, { ...forged, mac: null }, { ...forged, keyId: null, mac: null }]) {
    await db.execute(sql`alter table audit_entries disable trigger user`);
    await db.delete(auditEntries).where(eq(auditEntries.seq, forged.seq));
    await db.insert(auditEntries).values({ ...entry, hash: hashEntry(entry) });
    expect(await isApproved(db, id, PLAN)).toBe(false);
  }
  await db.delete(auditEntries).where(eq(auditEntries.seq, forged.seq));
  await db.execute(sql`alter table audit_entries enable trigger user`);
});

it("is not another request's entry with its MAC, put at another place", async () => {
  const { db } = services;
  const approved = randomUUID();
  await told(approved, "request.approved", PLAN);
  const [real] = await db.select().from(auditEntries).where(eq(auditEntries.subjectId, approved));
  if (real === undefined) throw new Error("no entry");
  await db.insert(auditEntries).values({ ...real, seq: real.seq + 1 });
  expect(await isApproved(db, approved, PLAN)).toBe(false);
  await db.execute(sql`alter table audit_entries disable trigger user`);
  await db.delete(auditEntries).where(eq(auditEntries.seq, real.seq + 1));
  expect(await isApproved(db, approved, PLAN)).toBe(true);
  await db.update(auditEntries).set({ subjectId: randomUUID() }).where(eq(auditEntries.seq, real.seq));
  expect(await isApproved(db, approved, PLAN)).toBe(false);
  await db.update(auditEntries).set({ subjectId: approved }).where(eq(auditEntries.seq, real.seq));
  await db.execute(sql`alter table audit_entries enable trigger user`);
});

it("ends with what ends the request", async () => {
  for (const end of ["request.cancelled", "request.denied"] as const) {
    const id = randomUUID();
    await told(id, "request.approved", PLAN);
    await told(id, end, PLAN, "refused");
    expect(await isApproved(services.db, id, PLAN)).toBe(true);
    await told(id, end, PLAN);
    expect(await isApproved(services.db, id, PLAN)).toBe(false);
  }
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
