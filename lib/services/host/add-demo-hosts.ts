import { eq, inArray, isNull, and } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { hosts } from "#lib/db/schema.ts";
import { VENDOR_LABEL, VENDORS } from "#lib/domain/hardware.ts";
import type { HostRow } from "#lib/inventory/host-access.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";

/** Five simulated hosts, one a vendor; those that are there already stay as they are. Answers all simulated hosts. */
export async function addDemoHosts(ctx: Ctx): Promise<HostRow[]> {
  await authorise(ctx, "host.add");
  const { added, all } = await ctx.db.transaction(async (tx) => {
    const there = await tx
      .select()
      .from(hosts)
      .where(and(eq(hosts.simulated, true), isNull(hosts.removedAt)));
    const missing = VENDORS.filter((vendor) => !there.some((row) => row.vendor === vendor));
    const added: HostRow[] = [];
    for (const vendor of missing) {
      const [row] = await tx
        .insert(hosts)
        .values({
          name: `demo-${vendor}`,
          vendor,
          simulated: true,
          connection: { driver: "demo", connection: { transport: "demo", vendor } },
          createdBy: ctx.actor.id,
        })
        .onConflictDoNothing()
        .returning();
      if (row === undefined) continue;
      added.push(row);
      await appendAudit(tx, ctx.actor, {
        action: "host.added",
        subject: { kind: "host", id: row.id, name: row.name },
        details: { simulated: true, vendor: VENDOR_LABEL[vendor] },
      });
    }
    const all = await tx
      .select()
      .from(hosts)
      .where(and(inArray(hosts.vendor, [...VENDORS]), eq(hosts.simulated, true), isNull(hosts.removedAt)));
    return { added, all };
  });
  for (const row of added) ctx.events.publish({ type: "host", id: row.id });
  if (added.length > 0) ctx.events.publish({ type: "audit" });
  return all;
}
