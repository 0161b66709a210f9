import { findVm, listVms as queryVms, type VmFound, type VmListQuery } from "#lib/inventory/vm-query.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";

export async function listVms(ctx: Ctx, query: VmListQuery): ReturnType<typeof queryVms> {
  await authorise(ctx, "vm.read");
  return queryVms(ctx.db, query);
}

/** Throws `vm.not-found`. */
export async function getVm(ctx: Ctx, hostId: string, ref: string): Promise<VmFound> {
  await authorise(ctx, "vm.read");
  return findVm(ctx.db, hostId, ref);
}
