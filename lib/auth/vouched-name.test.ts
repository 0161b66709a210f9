/** What people call themselves at a single sign-on provider is text from elsewhere. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { auditEntries } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { plainName } from "#lib/domain/plain-name.ts";
import { signInByOidc } from "./accounts.ts";

let services: TestServices;
beforeAll(async () => {
  services = await testServices();
});
afterAll(() => services.close());

let count = 0;
async function nameOf(name: string): Promise<string> {
  count += 1;
  const vouched = { subject: `subject ${count}`, email: `p${count}@example.test`, role: null, address: null };
  return (await signInByOidc(services, { ...vouched, name }))?.name ?? "";
}

it("keeps what a name may hold, and leaves out what would show as something else", async () => {
  expect(await nameOf("Zoë 李 Ŝmith-O’Neil")).toBe("Zoë 李 Ŝmith-O’Neil");
  expect(await nameOf("\u001b[31mroot\u202e\u0000 \n")).toBe("[31mroot");
  expect(await nameOf("a\ud800b\u2028c")).toBe("abc");
});

it("is the address where nothing is left of it", async () => {
  for (const name of ["", " \t", "\u202e", ".", ".."]) {
    const made = await nameOf(name);
    expect(made).toBe(`p${count}@example.test`);
  }
});

it("is one that the account could have been given here, however long, and no character is cut in two", async () => {
  for (const name of ["x".repeat(5000), "😀".repeat(200), `a${"😀".repeat(200)}`, `${"y".repeat(119)}   z`]) {
    const made = await nameOf(name);
    expect(plainName(120).safeParse(made).data).toBe(made);
    expect(made.isWellFormed()).toBe(true);
  }
  const trail = JSON.stringify(await services.db.select().from(auditEntries));
  expect(trail).not.toMatch(/\\u202e|\u202e|\\u001b/);
});
