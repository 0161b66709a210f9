/** Migrations that change rows rather than tables, tried on rows of the version before. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { eq, sql } from "drizzle-orm";
import { expect, it } from "vitest";
import { hosts } from "./schema.ts";
import { testServices } from "./testing.ts";

const FOLDER = join(import.meta.dirname, "..", "..", "drizzle");

function migration(name: string): string {
  const file = readdirSync(FOLDER).find((each) => each.endsWith(`_${name}.sql`));
  if (file === undefined) throw new Error(`no migration ${name}`);
  return readFileSync(join(FOLDER, file), "utf8");
}

it("takes the program out of VirtualBox connections, and leaves other hosts as they are", async () => {
  const services = await testServices();
  try {
    const { db } = services;
    const there = { transport: "ssh", host: "mac", port: 22, user: "ann", hostKey: null };
    const kvm = { driver: "kvm", connection: { transport: "unix", socket: "/run/x", program: "kept" } };
    const add = (name: string, connection: unknown) =>
      db.insert(hosts).values({ name, vendor: "kvm", simulated: false, connection: connection as never });
    await add("here", { driver: "virtualbox", connection: { transport: "local", program: "/opt/VBoxManage" } });
    await add("there", { driver: "virtualbox", connection: { ...there, program: null } });
    await add("kvm", kvm);
    await db.execute(sql.raw(migration("virtualbox-program")));
    const connectionOf = async (name: string) =>
      (await db.select({ connection: hosts.connection }).from(hosts).where(eq(hosts.name, name)))[0]?.connection;
    expect(await connectionOf("here")).toEqual({ driver: "virtualbox", connection: { transport: "local" } });
    expect(await connectionOf("there")).toEqual({ driver: "virtualbox", connection: there });
    expect(await connectionOf("kvm")).toEqual(kvm);
  } finally {
    await services.close();
  }
});
