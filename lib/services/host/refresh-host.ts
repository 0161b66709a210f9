import { loadHostAccess } from "#lib/inventory/host-access.ts";
import { refreshSession } from "#lib/inventory/sessions.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";

/** Reads the host's inventory anew, at once also when the last try failed. Whoever may test a host may refresh it. */
export async function refreshHost(ctx: Ctx, id: string): Promise<void> {
  await authorise(ctx, "host.test", { action: "host.refreshed", subject: { kind: "host", id, name: "" } });
  await loadHostAccess(ctx, id);
  // Without a session in this process the event makes the one that has it look again.
  if (!refreshSession(ctx.db, id)) ctx.events.publish({ type: "host", id });
}
