import { appendAudit } from "#lib/audit/append.ts";
import { loadHostAccess } from "#lib/inventory/host-access.ts";
import { refreshSession } from "#lib/inventory/sessions.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";

/** Reads the host's inventory again, at once also when the last try failed. */
export async function refreshHost(ctx: Ctx, id: string): Promise<void> {
  await authorise(ctx, "host.refresh", { action: "host.refreshed", subject: { kind: "host", id, name: "" } });
  const { row } = await loadHostAccess(ctx, id);
  await ctx.db.transaction((tx) =>
    appendAudit(tx, ctx.actor, { action: "host.refreshed", subject: { kind: "host", id, name: row.name } }),
  );
  ctx.events.publish({ type: "audit" });
  // Without a session in this process the event makes the one that has it look again.
  if (!refreshSession(ctx.db, id)) ctx.events.publish({ type: "host", id });
}
