/** The trail cannot be changed through the database's own rules, and shows it when somebody goes round them. */
import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { auditCsvLine, csvCell } from "#lib/api/audit-csv.ts";
import { auditEntries } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import type { Ctx } from "../context.ts";
import { testPerson } from "../testing.ts";
import { presentAudit } from "#lib/presenters/audit.ts";
import { appendAudit, GENESIS } from "#lib/audit/append.ts";
import { verifyAudit } from "#lib/audit/verify.ts";

let services: TestServices;
let person: Ctx;

beforeEach(async () => {
  services = await testServices();
  person = await testPerson(services, "operator");
});
afterEach(() => services.close());

async function write(count: number, name = "host"): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    await services.db.transaction((tx) =>
      appendAudit(tx, person.actor, {
        action: "host.edited",
        subject: { kind: "host", id: null, name: `${name} ${n}` },
        details: { n, nested: { b: [1, null, "ü"], a: 0.1 } },
      }),
    );
  }
}

/** Somebody with the database's owner's rights. */
async function goRound(statement: ReturnType<typeof sql>): Promise<void> {
  await services.db.execute(sql`alter table audit_entries disable trigger user`);
  await services.db.execute(statement);
  await services.db.execute(sql`alter table audit_entries enable trigger user`);
}

describe("the audit trail", () => {
  it("holds, also when many write at once", async () => {
    expect(await verifyAudit(services.db)).toMatchObject({ ok: true, entries: 0, head: GENESIS, firstBad: null });
    await Promise.all(Array.from({ length: 20 }, (_, n) => write(1, `at once ${n}`)));
    const verdict = await verifyAudit(services.db);
    expect(verdict).toMatchObject({ ok: true, entries: 20 });
    const rows = await services.db.select().from(auditEntries).orderBy(auditEntries.seq);
    expect(rows.at(-1)?.hash).toBe(verdict.head);
    expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
  });

  it.each([
    ["update", sql`update audit_entries set actor_name = 'somebody else'`],
    ["delete", sql`delete from audit_entries`],
    ["truncate", sql`truncate audit_entries`],
  ])("refuses %s", async (_, statement) => {
    await write(2);
    await expect(services.db.execute(statement)).rejects.toMatchObject({ cause: { message: /cannot be changed/ } });
    expect(await verifyAudit(services.db)).toMatchObject({ ok: true, entries: 2 });
  });

  it.each([
    ["an altered name", sql`update audit_entries set actor_name = 'somebody else' where seq = 3`, 3],
    ["an altered detail", sql`update audit_entries set details = '{"n":9}'::jsonb where seq = 4`, 4],
    ["another moment", sql`update audit_entries set at = at + interval '1 second' where seq = 2`, 2],
    ["another result", sql`update audit_entries set result = 'refused' where seq = 1`, 1],
    ["a hole", sql`delete from audit_entries where seq = 2`, 3],
    ["a first entry that is gone", sql`delete from audit_entries where seq = 1`, 2],
  ])("shows %s", async (_, statement, firstBad) => {
    await write(5);
    await goRound(statement);
    expect(await verifyAudit(services.db)).toMatchObject({ ok: false, firstBad });
  });

  it("differs in its head when its end is cut off", async () => {
    await write(5);
    const { head } = await verifyAudit(services.db);
    await goRound(sql`delete from audit_entries where seq = 5`);
    const after = await verifyAudit(services.db);
    expect(after).toMatchObject({ ok: true, entries: 4 });
    expect(after.head).not.toBe(head);
  });

  it("takes any name that a person can give", async () => {
    await write(1, "nul \0 half \ud800 pair 𝄞");
    expect(await verifyAudit(services.db)).toMatchObject({ ok: true, entries: 1 });
  });
});

describe("the trail as CSV", () => {
  it("runs nothing in a spreadsheet and keeps lines apart", async () => {
    for (const text of ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
      expect(csvCell(text).replace(/^"/, "")[0]).toBe("'");
    // Full-width and small forms, and what stands behind blanks that an import leaves out.
    for (const text of [
      "＝1+1",
      "＋1",
      "－1",
      "＠SUM(A1)",
      "﹦1",
      "﹢1",
      "﹣1",
      "﹫A1",
      " =1",
      "\u00a0＝1",
      "\u200b@A1",
    ])
      expect(csvCell(text)).toBe(`'${text}`);
    for (const text of ["a=1", "Ada", "1-2", "#end", "2001:db8::1"]) expect(csvCell(text)).toBe(text);
    expect(csvCell('say "hi", then\nleave')).toBe('"say ""hi"", then\nleave"');
    expect(csvCell(-1)).toBe("-1");
    expect(csvCell(null)).toBe("");
    await write(1, '=HYPERLINK("http://evil.example.test")');
    const [row] = await services.db.select().from(auditEntries);
    const line = auditCsvLine(presentAudit(row!));
    expect(line).toContain(`,"'=HYPERLINK(""http://evil.example.test"") 0",`);
    expect(line.endsWith("\r\n")).toBe(true);
  });
});
