import { appendAudit } from "#lib/audit/append.ts";
import type { AuditAction } from "#lib/domain/audit-actions.ts";
import type { PowerAction } from "#lib/domain/hardware.ts";
import { canPower } from "#lib/domain/vm-rules.ts";
import { AppError, errorToJson } from "#lib/errors.ts";
import { noteVm, withHost } from "#lib/inventory/sessions.ts";
import { findVm, type VmFound } from "#lib/inventory/vm-query.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";

const TIMEOUT_MS = 60_000;
/** The verb that the trail has for it. */
const DONE = {
  start: "vm.started",
  shutdown: "vm.shut-down",
  stop: "vm.stopped",
  reboot: "vm.rebooted",
  reset: "vm.reset",
  pause: "vm.paused",
  resume: "vm.resumed",
} as const satisfies Record<PowerAction, AuditAction>;

function tooLong(vm: string, host: string, cause: unknown): AppError {
  return new AppError(
    "unavailable",
    "host.timeout",
    `${host} has taken the order for ${vm} and was not done with it after ${TIMEOUT_MS / 1000} seconds.`,
    { hint: "The host may still be at it: the machine's state is shown as soon as it changes.", cause },
  );
}

/** Starts, stops, … a VM on its host. Throws `vm.wrong-state` (conflict), and what the host says. */
export async function powerVm(ctx: Ctx, hostId: string, ref: string, action: PowerAction): Promise<VmFound> {
  const id = `${hostId}/${ref}`;
  await authorise(ctx, "vm.power", { action: DONE[action], subject: { kind: "vm", id, name: ref } });
  const { host, vm: known } = await findVm(ctx.db, hostId, ref);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const record = (result: "ok" | "failed", details: Record<string, unknown>) =>
    ctx.db.transaction((tx) =>
      appendAudit(tx, ctx.actor, {
        action: DONE[action],
        subject: { kind: "vm", id, name: `${known.name} on ${host.name}` },
        result,
        details: { vm: known.name, host: host.name, ...details },
      }),
    );
  try {
    const vm = await withHost(ctx, hostId, async (adapter) => {
      // The row may lag behind: what counts is what the host says now.
      const now = await adapter.vm(ref, signal);
      const allowed = canPower(now, action);
      if (allowed !== true)
        throw new AppError("conflict", "vm.wrong-state", allowed.reason, { details: { state: now.state } });
      await adapter.power(ref, action, signal);
      return adapter.vm(ref, signal);
    });
    await record("ok", { state: vm.state });
    await noteVm(ctx.db, hostId, vm);
    return { host, vm };
  } catch (thrown) {
    const error = signal.aborted && thrown === signal.reason ? tooLong(known.name, host.name, thrown) : thrown;
    await record("failed", { error: errorToJson(error).code });
    throw error;
  } finally {
    ctx.events.publish({ type: "audit" });
  }
}
