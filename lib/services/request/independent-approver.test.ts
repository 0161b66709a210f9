/** Four eyes are those of two people. */
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { appendAudit } from "#lib/audit/append.ts";
import { SUPRAVISOR } from "#lib/audit/supravisor.ts";
import { auditEntries } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import type { Ctx } from "../context.ts";
import { testPerson } from "../testing.ts";
import { changeUser } from "../user/change-user.ts";
import { createUser } from "../user/create-user.ts";
import { changeOwnPassword } from "../user/own-account.ts";
import { isInHandsOf } from "./independent-approver.ts";

let services: TestServices;
let ada: Ctx;
let bob: Ctx;
beforeAll(async () => {
  services = await testServices();
});
beforeEach(async () => {
  ada = await testPerson(services, "administrator");
  bob = await testPerson(services, "administrator");
});
afterAll(() => services.close());

const PASSWORD = "long enough for Ada 1";
let count = 0;
async function made(by: Ctx, role: "operator" | "administrator" = "operator"): Promise<Ctx> {
  count += 1;
  const email = `puppet${count}@example.test`;
  const { id, name } = await createUser(by, { email, name: `Puppet ${count}`, role, password: PASSWORD });
  return { ...by, actor: { id, name, role, via: "web", address: null } };
}
const held = (approver: Ctx, requester: Ctx) => isInHandsOf(services.db, approver.actor.id!, requester.actor.id!);

/** The entries so far are so many days old. */
async function daysPass(days: number): Promise<void> {
  await services.db.execute(sql`alter table audit_entries disable trigger user`);
  await services.db.update(auditEntries).set({ at: sql`${auditEntries.at} - make_interval(days => ${days})` });
  await services.db.execute(sql`alter table audit_entries enable trigger user`);
}

it("an account that somebody has made is in their hands, and in nobody else's", async () => {
  const puppet = await made(ada);
  expect(await held(puppet, ada)).toBe(true);
  expect(await held(puppet, bob)).toBe(false);
  expect(await held(bob, ada)).toBe(false);
  expect(await held(puppet, puppet)).toBe(false);
});

it("it stays there until its owner has a password of their own and the time has passed", async () => {
  const puppet = await made(ada);
  await daysPass(400);
  expect(await held(puppet, ada)).toBe(true);
  await changeOwnPassword(puppet, { current: PASSWORD, next: "my own secret 12" });
  expect(await held(puppet, ada)).toBe(false);
  const fresh = await made(ada);
  await changeOwnPassword(fresh, { current: PASSWORD, next: "my own secret 12" });
  expect(await held(fresh, ada)).toBe(true);
  await daysPass(8);
  expect(await held(fresh, ada)).toBe(false);
});

it.each([
  ["another role", { role: "operator" as const }, true, false],
  ["a password", { password: PASSWORD }, true, true],
  ["being let in again", { disabled: false }, true, false],
  ["another name", { name: "Somebody" }, false, false],
  ["being shut out", { disabled: true }, false, false],
])("%s given by the requester counts", async (_, change, now, later) => {
  const other = await testPerson(services, "requester");
  if ("disabled" in change && !change.disabled) await changeUser(bob, other.actor.id!, { disabled: true });
  await changeUser(ada, other.actor.id!, change);
  expect(await held(other, ada)).toBe(now);
  await daysPass(8);
  expect(await held(other, ada)).toBe(later);
});

it("a puppet's puppet is one too, and a circle has an end", async () => {
  const first = await made(ada, "administrator");
  const second = await made(first);
  expect(await held(second, ada)).toBe(true);
  const asAdministrator: Ctx = { ...second, actor: { ...second.actor, role: "administrator" } };
  await changeUser(asAdministrator, first.actor.id!, { role: "operator" });
  expect(await held(second, bob)).toBe(false);
});

it("what single sign-on gives is in nobody's hands", async () => {
  const person = await testPerson(services, "operator");
  await services.db.transaction((tx) =>
    appendAudit(tx, SUPRAVISOR, {
      action: "user.created",
      subject: { kind: "user", id: person.actor.id, name: "x" },
      details: { role: "operator" },
    }),
  );
  expect(await held(person, ada)).toBe(false);
});
