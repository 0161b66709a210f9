/** A VM's disk at one moment, for as long as it takes to read it. */
import type { CapturePlan, HostDisk, HypervisorAdapter } from "./adapter.ts";
import { requireCapturable, requireUnchanged } from "./require-capturable.ts";

export interface LentDisk {
  readonly vmRef: string;
  readonly diskId: string;
  /** How its host was asked to let it be read; what that needs stands in the ledger. */
  readonly plan: CapturePlan;
}

type Lender = Pick<HypervisorAdapter, "vm" | "openDisk" | "planCapture">;

/**
 * Hands the disk to `read`, with the time (ISO 8601) at which its first byte could be read, and answers what `read`
 * answers. Throws `vm.running` when it is of two moments because the VM was started since the plan was made, and what
 * the host throws.
 */
export async function lendDisk<T>(
  host: Lender,
  { vmRef, diskId, plan }: LentDisk,
  read: (opened: HostDisk, openedAt: string) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  await requireCapturable(host, vmRef, [diskId], plan, signal);
  await using opened = await host.openDisk(vmRef, diskId, plan, signal);
  const answer = await read(opened, new Date().toISOString());
  await requireUnchanged(host, vmRef, [diskId], plan, signal);
  return answer;
}
