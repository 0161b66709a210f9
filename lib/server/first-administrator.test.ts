import { afterAll, beforeAll, expect, it } from "vitest";
import { users } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { administratorFromEnvironment } from "./first-administrator.ts";

let services: TestServices;
beforeAll(async () => {
  services = await testServices();
});
afterAll(async () => {
  delete process.env["SUPRAVISOR_ADMIN_EMAIL"];
  await services.close();
});

it("takes the password out of the environment, whether it was needed or not", async () => {
  process.env["SUPRAVISOR_ADMIN_EMAIL"] = "ada@example.test";
  for (const round of ["first", "again"]) {
    process.env["SUPRAVISOR_ADMIN_PASSWORD"] = "correct horse battery";
    await administratorFromEnvironment(services);
    expect(process.env, round).not.toHaveProperty("SUPRAVISOR_ADMIN_PASSWORD");
    expect(await services.db.select().from(users), round).toMatchObject([{ email: "ada@example.test" }]);
  }
});
