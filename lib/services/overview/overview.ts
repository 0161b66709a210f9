import { count, eq, inArray, isNull, sql } from "drizzle-orm";
import { hosts, imageVersions, images, inventoryItems, jobs, libraryFindings, requests } from "#lib/db/schema.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";
import type { Overview } from "#lib/domain/overview.ts";

/** The numbers of the first page, each counted by the database. */
export async function readOverview(ctx: Ctx): Promise<Overview> {
  await authorise(ctx, "host.read");
  const { db } = ctx;
  const [hostRows, vmRows, imageCount, readyCount, requestRows, jobCount, findingCount, pools] = await Promise.all([
    db
      .select({ id: hosts.id, state: hosts.state, simulated: hosts.simulated })
      .from(hosts)
      .where(isNull(hosts.removedAt)),
    db
      .select({ state: inventoryItems.state, n: count() })
      .from(inventoryItems)
      .where(eq(inventoryItems.kind, "vm"))
      .groupBy(inventoryItems.state),
    db.select({ n: count() }).from(images).where(isNull(images.removedAt)),
    db
      .select({ n: sql<number>`count(distinct ${imageVersions.imageId})::int` })
      .from(imageVersions)
      .where(eq(imageVersions.state, "ready")),
    db.select({ status: requests.status, n: count() }).from(requests).groupBy(requests.status),
    db
      .select({ n: count() })
      .from(jobs)
      .where(inArray(jobs.state, ["queued", "running", "cancelling"])),
    db.select({ n: count() }).from(libraryFindings),
    db
      .select({
        hostId: hosts.id,
        hostName: hosts.name,
        vendor: hosts.vendor,
        capacity: sql<number | null>`sum((${inventoryItems.data}->>'capacity')::numeric)::float8`,
        free: sql<number | null>`sum((${inventoryItems.data}->>'free')::numeric)::float8`,
      })
      .from(hosts)
      .innerJoin(inventoryItems, sql`${inventoryItems.hostId} = ${hosts.id} and ${inventoryItems.kind} = 'pool'`)
      .groupBy(hosts.id, hosts.name, hosts.vendor)
      .orderBy(hosts.name),
  ]);
  const of = (status: string) => requestRows.find((row) => row.status === status)?.n ?? 0;
  return {
    hosts: {
      total: hostRows.length,
      online: hostRows.filter((host) => host.state === "online").length,
      offline: hostRows.filter((host) => host.state === "offline").length,
      simulated: hostRows.filter((host) => host.simulated).length,
    },
    vms: {
      total: vmRows.reduce((sum, row) => sum + row.n, 0),
      running: vmRows.find((row) => row.state === "running")?.n ?? 0,
    },
    images: { total: imageCount[0]?.n ?? 0, ready: readyCount[0]?.n ?? 0 },
    requests: { pending: of("pending"), running: of("running") + of("approved") },
    jobs: { active: jobCount[0]?.n ?? 0 },
    library: { findings: findingCount[0]?.n ?? 0 },
    storage: pools,
  };
}
