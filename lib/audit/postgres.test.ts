import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditEntries } from "#lib/db/schema.ts";
import { postgresPrograms, startTestPostgres, type TestPostgres } from "#lib/db/testing-postgres.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { appendAudit } from "./append.ts";
import { SUPRAVISOR } from "./supravisor.ts";

describe.skipIf(postgresPrograms === null)("the trail on Postgres", () => {
  let postgres: TestPostgres;
  let services: TestServices;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    services = await testServices(postgres.url);
  });
  afterAll(async () => {
    await services.close();
    await postgres.close();
  });

  it("has its keys in transactions too, which have connections of their own", async () => {
    await services.db.transaction((tx) =>
      appendAudit(tx, SUPRAVISOR, { action: "audit.verified", subject: { kind: "audit", id: null, name: "trail" } }),
    );
    const [entry] = await services.db.select().from(auditEntries);
    expect(entry?.mac).toMatch(/^[0-9a-f]{64}$/);
  });
});
