import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { users } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { administratorFromEnvironment } from "./first-administrator.ts";

let services: TestServices;
beforeAll(async () => {
  services = await testServices();
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await services.close();
});

it("takes the password out of the environment, whether it was needed or not", async () => {
  vi.stubEnv("SUPRAVISOR_ADMIN_EMAIL", "ada@example.test");
  for (const round of ["first", "again"]) {
    vi.stubEnv("SUPRAVISOR_ADMIN_PASSWORD", "correct horse battery");
    await administratorFromEnvironment(services);
    expect(process.env, round).not.toHaveProperty("SUPRAVISOR_ADMIN_PASSWORD");
    expect(await services.db.select().from(users), round).toMatchObject([{ email: "ada@example.test" }]);
  }
});
