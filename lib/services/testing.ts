/** People for tests: a stored user and the context in which that person asks. */
import { randomUUID } from "node:crypto";
import { users } from "#lib/db/schema.ts";
import type { Role } from "#lib/domain/role.ts";
import type { Ctx, Services } from "./context.ts";

export async function testPerson(services: Services, role: Role): Promise<Ctx> {
  const id = randomUUID();
  const name = `${role} ${id.slice(0, 4)}`;
  await services.db.insert(users).values({ id, name, role, email: `${id}@example.test` });
  const { db, events, secrets, jobs, dataDir, log } = services;
  return { db, events, secrets, jobs, dataDir, log, actor: { id, name, role, via: "web", address: null } };
}
