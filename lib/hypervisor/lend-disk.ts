/** A VM's disk at one moment, for as long as it takes to read it. */
import { canCaptureAll } from "#lib/domain/vm-rules.ts";
import { AppError } from "#lib/errors.ts";
import type { CapturePlan, HostDisk, HypervisorAdapter } from "./adapter.ts";

export interface LentDisk {
  readonly vmRef: string;
  readonly diskId: string;
  /** How its host was asked to let it be read; what that needs stands in the ledger. */
  readonly plan: CapturePlan;
}

type Lender = Pick<HypervisorAdapter, "vm" | "openDisk">;

/**
 * Hands the disk to `read`, with the time (ISO 8601) at which its first byte could be read, and answers what `read`
 * answers. Throws `vm.running` when it is of two moments because the VM was started meanwhile, and what the host throws.
 */
export async function lendDisk<T>(
  host: Lender,
  lent: LentDisk,
  read: (opened: HostDisk, openedAt: string) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  await requireCapturable(host, lent, signal);
  await using opened = await host.openDisk(lent.vmRef, lent.diskId, lent.plan, signal);
  const answer = await read(opened, new Date().toISOString());
  // A snapshot stays as it is.
  if (!lent.plan.ofSnapshot) await requireCapturable(host, lent, signal);
  return answer;
}

/** The rows of the inventory may lag behind: what counts is what the host says now. */
async function requireCapturable(host: Lender, { vmRef, diskId, plan }: LentDisk, signal: AbortSignal) {
  const allowed = canCaptureAll(await host.vm(vmRef, signal), [diskId], plan.ofSnapshot);
  if (allowed === true) return;
  throw new AppError("conflict", allowed.code, allowed.reason, {
    ...(allowed.code === "vm.running" ? { hint: "Shut the VM down, and try again." } : {}),
  });
}
